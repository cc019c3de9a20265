"""Studies: fold cohorts declared, arms trained within a budget of time, scored, and brought into one table."""
