"""Whether a training job may be submitted, and which waiting job goes where."""
