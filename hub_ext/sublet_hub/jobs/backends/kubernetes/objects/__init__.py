"""What is written into the cluster (pure)."""
