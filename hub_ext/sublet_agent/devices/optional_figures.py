"""Figures that a card may tell or not: one that it does not tell takes nothing else with it.

Utilisation and energy are good to know, and nobody's work depends on them. So whatever goes wrong
with one is "not told", is said once in the log, and once more when it is told again.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from sublet_quota.names.ids import GpuId

from sublet_agent.devices.interface import DeviceError

Figure = TypeVar("Figure")

_log: Final = logging.getLogger(__name__)


class OptionalFigures:
    """The figures that the cards of a node do not tell now."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._silent: Final[set[tuple[GpuId, str]]] = set()

    def ask(self, gpu_id: GpuId, name: str, ask: Callable[[], Figure]) -> Figure | None:
        """Return what a card tells; ``None`` where it does not, whatever the reason."""
        try:
            figure = ask()
        except DeviceError as error:
            if self._note(gpu_id, name, told=False):
                _log.warning("card %s: its %s is not told: %s", gpu_id, name, error)
            return None
        if self._note(gpu_id, name, told=True):
            _log.info("card %s: its %s is told again", gpu_id, name)
        return figure

    def _note(self, gpu_id: GpuId, name: str, *, told: bool) -> bool:
        """Note whether a figure is told; return whether that is news."""
        with self._lock:
            if told != ((gpu_id, name) in self._silent):
                return False
            if told:
                self._silent.remove((gpu_id, name))
            else:
                self._silent.add((gpu_id, name))
            return True
