"""Copy a pod's log, once, in order, at a bounded rate."""
