"""Results that other tools left: recognised by what is in a file, and read as levels."""
