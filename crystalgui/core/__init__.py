"""Physics, structures, data sets, models and training: a plain library without Qt or VTK."""
