"""How a run looks to whoever watches it: levels, progress and decision, for terminal and notebook."""
