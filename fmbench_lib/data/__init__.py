"""From source files to payload files: rows, templates, token counts, length filters."""
