"""A comparison of runs as texts: for a terminal, as Markdown, as JSON and as JUnit's XML."""
