"""How a config is read: YAML, placeholders, FMBench 2.x's spellings, checks that report each mistake in one line."""
