"""Slice backends: how a slice is asked for on a cluster, each a pure function to pod fields."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from sublet_spawner.backends.device_plugin import MPS, TIME_SLICING, WHOLE_GPUS
from sublet_spawner.backends.dra import DRA
from sublet_spawner.backends.hami import HAMI
from sublet_spawner.backends.kai import KAI
from sublet_spawner.backends.mig import MIG
from sublet_spawner.backends.records import Backend
from sublet_spawner.backends.volcano import VOLCANO

BACKENDS: Final[Mapping[str, Backend[Any]]] = MappingProxyType(
    {
        backend.name: backend
        for backend in (TIME_SLICING, HAMI, KAI, VOLCANO, DRA, MPS, MIG, WHOLE_GPUS)
    }
)
"""The backends that an admin may choose, by name."""
