"""What can be wrong with an installation on Kubernetes, as codes with their words."""
