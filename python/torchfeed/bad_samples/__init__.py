"""Samples that cannot be made: what the user wants, what takes their place, and what is reported."""
