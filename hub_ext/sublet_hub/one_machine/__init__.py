"""Sublet on one machine: a hub, the service, an agent, and GPUs, simulated where there are none."""
