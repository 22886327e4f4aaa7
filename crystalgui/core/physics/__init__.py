"""Functions of Hamiltonians: bands, gaps, Brillouin zone, slices."""
