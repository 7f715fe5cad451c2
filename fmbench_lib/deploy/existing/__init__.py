"""Platform `endpoint`: addresses that already exist."""
