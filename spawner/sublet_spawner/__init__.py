"""JupyterHub spawners that give each server a slice of a GPU.

What does not depend on where servers run is in ``slice_spawner``; ``local`` has the spawners.
"""
