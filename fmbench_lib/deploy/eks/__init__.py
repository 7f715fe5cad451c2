"""Platform `eks`: a manifest applied to a Kubernetes cluster."""
