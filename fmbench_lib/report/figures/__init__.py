"""The pictures of a run, drawn from its tables."""
