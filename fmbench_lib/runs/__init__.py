"""A run: its config and directory, opening it, where it is kept, its progress."""
