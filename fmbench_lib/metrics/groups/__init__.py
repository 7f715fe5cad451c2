"""The columns of a level, a module for each group: declared beside the function that computes them."""
