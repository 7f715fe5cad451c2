"""The endpoints of a run: how they are deployed, which share a machine, what still stands, how it is taken down."""
