"""Model Hamiltonians of the literature."""
