"""A stand-in for the hub's package of The Littlest JupyterHub, which is not on PyPI."""
