"""The pages for a browser: one file each, which loads nothing and needs nothing beside it."""
