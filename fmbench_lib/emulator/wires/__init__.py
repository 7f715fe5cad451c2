"""The wire protocols that the emulator speaks, one module each."""
