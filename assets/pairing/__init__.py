"""Pseudo-pairs: abnormal and normal radiographs of different patients, held in one lung frame."""
