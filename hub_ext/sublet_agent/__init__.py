"""The agent of a node with GPUs: measures, decides with ``sublet_quota``, pauses, moves memory."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sublet")
except PackageNotFoundError:  # run from a source tree that was not installed
    __version__ = "0"
