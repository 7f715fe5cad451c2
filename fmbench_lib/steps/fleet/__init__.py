"""A run whose experiments are measured on machines of their own: which, how they are started, and what they bring."""
