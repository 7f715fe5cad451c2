"""The checks of the verdict that are about one subject each; `verdict` has the others, and the order of all."""
