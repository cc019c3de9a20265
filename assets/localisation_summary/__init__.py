"""How well each arm localises over a cohort, with intervals, beside guesses that see no disease."""
