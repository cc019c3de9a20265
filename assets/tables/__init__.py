"""Schemas of the manifests handed from stage to stage.

Every per-image manifest holds COMMON: `key` and `artifact` are addressed by content, `patient` is a pseudonym, and
only rows with status `ok` go downstream. A column that a set-aside row lacks is null.
"""
