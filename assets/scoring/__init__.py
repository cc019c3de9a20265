"""Anomaly maps between a radiograph and its translation to normal, and the scores read from them."""
