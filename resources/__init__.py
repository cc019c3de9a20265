"""The outside world of the pipeline: storage, manifests, cohort files, device. Knows no stage."""
