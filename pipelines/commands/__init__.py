"""Commands of `pseudopair`, one a module."""
