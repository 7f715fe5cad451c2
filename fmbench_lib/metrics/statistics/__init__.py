"""Statistics of samples: estimates, and how far they can be trusted."""
