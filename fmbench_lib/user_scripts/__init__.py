"""User scripts that an experiment names: where they are found, what they must define, how they are run."""
