"""A cohort that takes the models of another one."""
