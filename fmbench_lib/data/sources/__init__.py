"""Where rows come from: one reader for each form of source, and the table of them."""
