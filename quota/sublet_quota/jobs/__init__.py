"""Training jobs: whether one may be submitted, and which waiting job goes where."""
