"""GPUs behind one interface: NVIDIA cards, and simulated ones."""
