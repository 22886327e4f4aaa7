"""Data sets of Hamiltonians in the window: made step by step, and looked at."""
