"""Events for the hub service, kept in a file until it says that it has them."""

import json
import logging
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from pydantic import ValidationError
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.wire.agent_link import AgentEvent
from sublet_quota.wire.event_kinds import EventKind

from sublet_agent.clock import Clock
from sublet_agent.durable_writes import replace_open_file, write_all

_MOST_EVENTS: Final = 10_000
_COMPACT_AT_LINES: Final = 4 * _MOST_EVENTS

log = logging.getLogger(__name__)


class RecordEvent(Protocol):
    """A function that writes an event down for the hub service."""

    def __call__(  # noqa: PLR0913 - the fields of an event
        self,
        kind: EventKind,
        gpu_id: GpuId,
        slice_id: SliceId | None = None,
        *,
        for_slice_id: SliceId | None = None,
        bytes_mib: int = 0,
        took_s: float = 0.0,
        detail: str = "",
    ) -> None:
        """Add an event; ``took_s`` is in seconds."""
        ...


class EventLog:
    """The events that the service has not taken yet, the oldest first.

    Not forced to disk: losing the last ones with the machine loses history, not work.
    """

    def __init__(
        self, path: Path, clock: Clock, soon: Callable[[Callable[[], None]], object]
    ) -> None:
        self._path = path
        self._clock = clock
        self._soon = soon
        """Writing waits until what the event tells of has been done: a cell may wait for that."""
        self._unwritten: list[AgentEvent] = []
        self._events: dict[str, AgentEvent] = {}
        self._lines = 0
        self._load()
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def record(  # noqa: PLR0913 - the fields of an event
        self,
        kind: EventKind,
        gpu_id: GpuId,
        slice_id: SliceId | None = None,
        *,
        for_slice_id: SliceId | None = None,
        bytes_mib: int = 0,
        took_s: float = 0.0,
        detail: str = "",
    ) -> None:
        """Add an event; the oldest gives way when the service was away for very long."""
        event = AgentEvent(
            event_id=uuid.uuid4().hex,
            at=self._clock.now(),
            kind=kind,
            gpu_id=gpu_id,
            slice_id=slice_id,
            for_slice_id=for_slice_id,
            bytes_mib=max(0, bytes_mib),
            took_s=max(0.0, took_s),
            detail=detail,
        )
        if len(self._events) >= _MOST_EVENTS:
            self._events.pop(next(iter(self._events)))
        self._events[event.event_id] = event
        self._unwritten.append(event)
        if len(self._unwritten) == 1:
            self._soon(self.flush)

    def flush(self) -> None:
        """Write down what is only in memory yet."""
        events, self._unwritten = self._unwritten, []
        for event in events:
            log.info("%s", _sentence(event))
        self._write(*(event.model_dump_json() for event in events))

    def first(self, most: int) -> tuple[AgentEvent, ...]:
        """Return the oldest events, ``most`` of them at most."""
        return tuple(event for event, _ in zip(self._events.values(), range(most), strict=False))

    def take(self, event_ids: tuple[str, ...]) -> None:
        """Drop the events that the service has."""
        taken = [i for i in event_ids if self._events.pop(i, None) is not None]
        if taken:
            self._write(json.dumps({"taken": taken}))
        if self._lines >= _COMPACT_AT_LINES or (not self._events and self._lines > _MOST_EVENTS):
            self._rewrite()

    def close(self) -> None:
        """Close the file."""
        self.flush()
        os.close(self._file)

    def _write(self, *lines: str) -> None:
        self._lines += len(lines)
        try:
            write_all(self._file, "".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            log.warning("cannot keep an event in %s: %s", self._path, error)

    def _load(self) -> None:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        self._lines = len(lines)
        for line in lines:
            try:
                fields = json.loads(line)
                if "taken" in fields:
                    for event_id in fields["taken"]:
                        self._events.pop(event_id, None)
                    continue
                event = AgentEvent.model_validate(fields)
            except (ValueError, ValidationError, TypeError):
                continue
            self._events[event.event_id] = event

    def _rewrite(self) -> None:
        lines = [event.model_dump_json() for event in self._events.values()]
        try:
            text = "".join(f"{line}\n" for line in lines)
            handle = replace_open_file(self._path, text.encode())
        except OSError as error:
            log.warning("cannot shorten %s: %s", self._path, error)
            return
        os.close(self._file)
        self._file, self._lines = handle, len(lines)


def _sentence(event: AgentEvent) -> str:
    parts = [f"{event.kind}:", f"slice {event.slice_id}" if event.slice_id else ""]
    parts.append(f"on GPU {event.gpu_id}")
    if event.for_slice_id:
        parts.append(f"for {event.for_slice_id}")
    if event.bytes_mib:
        parts.append(f"{event.bytes_mib} MiB")
    if event.took_s:
        parts.append(f"in {event.took_s:.3f} s")
    if event.detail:
        parts.append(f"({event.detail})")
    return " ".join(p for p in parts if p)
