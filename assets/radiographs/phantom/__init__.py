"""Procedural frontal chest radiographs with known lungs, lesions and dense correspondence."""
