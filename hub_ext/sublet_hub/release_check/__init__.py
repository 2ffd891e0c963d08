"""What `helm test` runs: looks at an installation on Kubernetes, and says what is wrong with it."""
