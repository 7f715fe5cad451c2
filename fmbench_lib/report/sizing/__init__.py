"""Fleets as texts: for a terminal, as Markdown, as JSON and as CSV."""
