"""Many runs beside each other: what is kept of each, which are chosen, and whether an experiment has changed, pure."""
