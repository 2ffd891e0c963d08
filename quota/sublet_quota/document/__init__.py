"""The quota document: who may have how much of which GPUs, read from YAML."""
