"""Platform `sagemaker`: real-time endpoints, deployed or used as they are."""
