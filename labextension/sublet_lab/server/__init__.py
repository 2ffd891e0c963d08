"""The Jupyter Server extension: activity of kernels that cannot tell it, and the way to the API."""
