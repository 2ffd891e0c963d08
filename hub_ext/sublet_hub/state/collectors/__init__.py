"""What Prometheus reads of the service's state, one family of metrics after the other."""
