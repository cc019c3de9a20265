"""Lung masks: threshold-based segmentation, clean-up and plausibility gates."""
