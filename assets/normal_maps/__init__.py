"""How an arm's maps of held-out normal radiographs look: mean, spread, and what few of their pixels exceed."""
