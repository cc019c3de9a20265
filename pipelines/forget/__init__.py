"""Removing a patient from the store: tombstone first, then models are marked, rows and pixels go, nothing is left."""
