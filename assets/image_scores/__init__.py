"""Every scored image with its score, its threshold and what stands out of it, also where nobody has labels."""
