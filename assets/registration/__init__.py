"""Learned refinement of the pre-alignment (IT-DPR): one image, its own pre-aligned copy, a smooth invertible map."""
