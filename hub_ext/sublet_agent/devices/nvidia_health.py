"""What NVML tells of failing cards: its events, and cards that answer no more.

A card that has fallen off the bus (XID 79) tells nothing any more, also not its UUID: so the card
of an event is known by its handle.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.closed_gpus import GpuFault

from sublet_agent.devices.interface import DeviceError, GpuGoneError, HealthEvent
from sublet_agent.devices.nvml import Nvml, NvmlError
from sublet_agent.devices.xid import tells_of_the_card

_log: Final = logging.getLogger(__name__)


class NvidiaHealth:
    """The events of a node's cards, and which of them are gone."""

    def __init__(self, nvml: Nvml, ask: Callable[[GpuId], object]) -> None:
        self._nvml: Final = nvml
        self._ask: Final = ask
        """Asks a card for something that each can tell; ``GpuGoneError`` where it is gone."""
        self._lock: Final = threading.Lock()
        self._gone: Final[set[GpuId]] = set()
        self._unread = False
        self._events: Final = self._watch()

    def news(self) -> Sequence[HealthEvent]:
        """Return what has gone wrong with cards since the last call."""
        with self._lock:
            return [*self._new_events(), *self._newly_gone()]

    def close(self) -> None:
        """Watch no longer."""
        if self._events is not None:
            with self._nvml.translated("the cards' events cannot be let go"):
                self._nvml.module.nvmlEventSetFree(self._events)

    def _watch(self) -> Any | None:
        nvml = self._nvml.module
        wanted = nvml.nvmlEventTypeXidCriticalError | nvml.nvmlEventTypeDoubleBitEccError
        watched = False
        with self._nvml.translated("the cards' events cannot be watched"):
            events = nvml.nvmlEventSetCreate()
            for gpu_id, handle in self._nvml.handles():
                try:
                    with self._nvml.translated(f"card {gpu_id} does not report its errors"):
                        known = wanted & nvml.nvmlDeviceGetSupportedEventTypes(handle)
                        if known:
                            nvml.nvmlDeviceRegisterEvents(handle, known, events)
                            watched = True
                except DeviceError as error:
                    _log.warning("%s", error)
            if not watched:
                nvml.nvmlEventSetFree(events)
                return None
        return events

    def _new_events(self) -> Iterator[HealthEvent]:
        nvml = self._nvml.module
        while self._events is not None:
            try:
                with self._nvml.translated("the cards' events cannot be read"):
                    event = nvml.nvmlEventSetWait(self._events, 0)
            except DeviceError as error:
                timeout = isinstance(error, NvmlError) and error.code == nvml.NVML_ERROR_TIMEOUT
                if not timeout and not self._unread:
                    _log.warning("%s", error)
                self._unread = not timeout
                return
            for gpu_id in self._cards_of(event):
                told = self._told(gpu_id, event)
                if told is not None:
                    yield told

    def _cards_of(self, event: Any) -> Sequence[GpuId]:
        """Return the card that an event tells of; where that is not known, all that are gone."""
        gpu_id = self._nvml.gpu_of(event.device)
        if gpu_id is not None:
            return [gpu_id]
        gone = [each for each, _ in self._nvml.handles() if self._why_gone(each) is not None]
        _log.warning(
            "an event (type %d, XID %d) of a card that is not known; gone are: %s",
            event.eventType,
            event.eventData,
            ", ".join(gone) or "none",
        )
        return gone

    def _told(self, gpu_id: GpuId, event: Any) -> HealthEvent | None:
        if event.eventType == self._nvml.module.nvmlEventTypeDoubleBitEccError:
            return HealthEvent(gpu_id, GpuFault.ECC, "uncorrectable memory error")
        if tells_of_the_card(event.eventData):
            return HealthEvent(gpu_id, GpuFault.XID, f"XID {event.eventData}")
        _log.info("card %s: XID %d, a program's own mistake", gpu_id, event.eventData)
        return None

    def _newly_gone(self) -> Iterator[HealthEvent]:
        for gpu_id, _ in self._nvml.handles():
            if gpu_id in self._gone:
                continue
            why = self._why_gone(gpu_id)
            if why is not None:
                self._gone.add(gpu_id)
                yield HealthEvent(gpu_id, GpuFault.GONE, why)

    def _why_gone(self, gpu_id: GpuId) -> str | None:
        try:
            self._ask(gpu_id)
        except GpuGoneError as error:
            return str(error)
        except DeviceError:
            # A card that does not tell this figure is there.
            return None
        return None
