"""Data sets of Hamiltonians: mixtures with noise and certified phases, and Brillouin zones."""
