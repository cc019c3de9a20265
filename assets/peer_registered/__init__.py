"""Radiographs in the reference frame by peers of IT-PR and IT-DPR, for arms that are trained in those frames."""
