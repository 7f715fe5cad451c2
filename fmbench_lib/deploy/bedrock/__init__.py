"""Platform `bedrock`: models on demand, and provisioned throughput."""
