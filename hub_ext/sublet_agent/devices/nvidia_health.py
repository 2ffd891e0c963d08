"""What NVML tells of failing cards: its events, and cards that answer no more.

A card that has fallen off the bus (XID 79) tells nothing any more, also not its UUID, and a set of
events answers with that error for all its cards from then on. So each card has a set of its own:
an event is known to be its card's, and a lost card hides nothing of the others.
"""

import contextlib
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
        self._events: Final[dict[GpuId, Any]] = {}
        """The events of each card that reports any."""
        self._unread: Final[set[GpuId]] = set()
        for gpu_id, handle in nvml.handles():
            self._watch(gpu_id, handle)

    def news(self) -> Sequence[HealthEvent]:
        """Return what has gone wrong with cards since the last call."""
        with self._lock:
            return [*self._new_events(), *self._newly_gone()]

    def close(self) -> None:
        """Watch no longer."""
        for gpu_id in tuple(self._events):
            self._let_go(gpu_id)

    def _watch(self, gpu_id: GpuId, handle: Any) -> None:
        nvml = self._nvml.module
        wanted = nvml.nvmlEventTypeXidCriticalError | nvml.nvmlEventTypeDoubleBitEccError
        try:
            with self._nvml.translated(f"card {gpu_id} does not report its errors"):
                known = wanted & nvml.nvmlDeviceGetSupportedEventTypes(handle)
                if known:
                    self._events[gpu_id] = nvml.nvmlEventSetCreate()
                    nvml.nvmlDeviceRegisterEvents(handle, known, self._events[gpu_id])
        except DeviceError as error:
            _log.warning("%s", error)
            self._let_go(gpu_id)

    def _let_go(self, gpu_id: GpuId) -> None:
        events = self._events.pop(gpu_id, None)
        if events is not None:
            with contextlib.suppress(DeviceError), self._nvml.translated("they stay watched"):
                self._nvml.module.nvmlEventSetFree(events)

    def _new_events(self) -> Iterator[HealthEvent]:
        for gpu_id, events in tuple(self._events.items()):
            while (event := self._next_event(gpu_id, events)) is not None:
                told = self._told(gpu_id, event)
                if told is not None:
                    yield told

    def _next_event(self, gpu_id: GpuId, events: Any) -> Any | None:
        nvml = self._nvml.module
        try:
            with self._nvml.translated(f"the events of card {gpu_id} cannot be read"):
                event = nvml.nvmlEventSetWait(events, 0)
        except DeviceError as error:
            if isinstance(error, NvmlError) and error.code == nvml.NVML_ERROR_TIMEOUT:
                self._unread.discard(gpu_id)
            elif gpu_id not in self._unread:
                _log.warning("%s", error)
                self._unread.add(gpu_id)
            return None
        return event

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
                self._let_go(gpu_id)
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
