"""Public data sets that configs name: which there are, where they come from, and how they are brought here."""
