"""The versions of the driver with open reports of lost work, each with its source.

A version stays here until its report is closed or the probe has passed on a card with it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

BAD_DRIVERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # https://github.com/NVIDIA/cuda-checkpoint/issues/53, seen with 595.71.05
        "595.71": "the end of a process that was restored hangs the whole machine",
        # https://github.com/NVIDIA/cuda-checkpoint/issues/58, seen with 610.57.04
        "610.57": "pausing a program with several threads ends it",
    }
)
"""What is reported, by the version's first two numbers."""


def what_is_reported(driver: str) -> str | None:
    """Return what is reported of a version such as ``595.71.05``; ``None``: nothing is known."""
    return BAD_DRIVERS.get(".".join(driver.split(".")[:2]))
