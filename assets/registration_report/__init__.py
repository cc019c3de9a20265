"""Stage: every way of registering a cohort, measured on the same radiographs."""
