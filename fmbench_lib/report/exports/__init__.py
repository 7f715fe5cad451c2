"""An analysed run in the forms of other programs, from its `summary.json`."""
