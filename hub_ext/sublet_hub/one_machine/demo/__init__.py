"""The demo: Sublet's story on one GPU, played and checked by ``make demo``."""
