"""The project database and the run folders."""
