"""Scripts of the user's own that an experiment names: where they are found, what they must define, how they are run."""
