"""The pictures of a run, each drawn from the frames alone."""
