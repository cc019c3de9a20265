"""Radiographs: source files decoded, identified, split by patient and laid on one canvas."""
