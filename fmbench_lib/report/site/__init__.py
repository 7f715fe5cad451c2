"""The site of many runs: one page beside the reports of the runs, which loads nothing."""
