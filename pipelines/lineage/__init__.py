"""Where a pair or a radiograph comes from, and what a file, radiograph or patient has reached."""
