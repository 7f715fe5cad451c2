"""What a config may contain: sections and keys, the values they take and their defaults."""
