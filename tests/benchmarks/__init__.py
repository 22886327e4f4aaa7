"""Measurements of what the program promises; not part of the test suite."""
