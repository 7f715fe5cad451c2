"""How a config is read: YAML, placeholders, FMBench 2.x's spellings, and checks that say each mistake in one line."""
