"""Simulated GPUs: a daemon with real bytes at a stated scale, and its client for notebooks.

``machine`` and the modules below it are the physics: no I/O, no clock of their own. ``daemon`` is
the Unix socket around them; ``client`` is what a notebook imports in place of CUDA.
"""
