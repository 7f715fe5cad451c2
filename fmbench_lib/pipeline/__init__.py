"""The notebooks of a run, executed by papermill one after the other."""
