"""The QThread floor: jobs, the compute process and the interactive lane."""
