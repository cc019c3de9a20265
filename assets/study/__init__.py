"""The table of a study: arms, folds and seeds pooled, compared and reported."""
