"""Images that belong to no cohort, scored with a cohort's models by the stages' own functions; nothing is stored."""
