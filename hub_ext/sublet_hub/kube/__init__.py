"""Kubernetes' API, as far as the service uses it: ``api`` alone speaks to it."""
