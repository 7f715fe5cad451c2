"""What a config may say: its sections and keys, the values they take and their defaults."""
