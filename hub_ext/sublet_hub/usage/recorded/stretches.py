"""Stretches of work of notebooks' slices, made of what agents report. Pure.

A stretch is one cell, or several that follow each other so closely that nobody could have had the
card meanwhile: from when the first asked until the last had ended, with how long it waited at the
gate. Agents report each second at least, so what passes the gate at once is known to a second; how
long a gate kept a cell waiting an agent tells exactly. Nothing of a cell but times is in it.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sublet_quota.names.ids import SliceId
from sublet_quota.wire.agent_link import SliceReport

PAUSE: Final = timedelta(seconds=10)
"""What follows sooner upon the last stretch goes on with it."""
MOST_OF_SLICE: Final = 200
"""How many of a slice wait to be stored: of more the oldest are left out."""
_REPORTS_WITHIN: Final = timedelta(seconds=2)
_TOLD_LATE: Final = timedelta(seconds=5)
"""So long after a stretch ended an agent may tell yet for how long it had waited."""
_PACKED: Final = struct.Struct("<QIII")
"""A packed stretch: when it began, in milliseconds since the epoch; how long it waited and worked,
in milliseconds; MiB on the GPU.
"""
_MOST: Final = 2**32 - 1
_NOTHING: Final = timedelta()
_LONG_AGO: Final = timedelta(days=30)
"""Further back nothing is believed that an agent says."""
_MS: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some work of a slice, from when it was asked for."""

    began: datetime
    waited: timedelta
    worked: timedelta
    memory_mib: int
    """The most that the slice had on the card meanwhile."""

    @property
    def ended(self) -> datetime:
        """When it was over."""
        return self.began + self.waited + self.worked


@dataclass(slots=True)
class _Open:
    """A stretch that is not over."""

    began: datetime
    waited: timedelta = _NOTHING
    memory_mib: int = 0

    def closed(self, ended: datetime) -> Stretch:
        lasted = max(ended - self.began, _NOTHING)
        waited = min(self.waited, lasted)
        return Stretch(self.began, waited, lasted - waited, self.memory_mib)


@dataclass(slots=True)
class _Slice:
    """What is known of one slice's work."""

    open: _Open | None = None
    done: list[Stretch] = field(default_factory=list)
    """Those that are not stored yet."""
    busy_ms: int | None = None

    def begin(self, began: datetime) -> _Open:
        last = self.done[-1] if self.done else None
        if last is not None and began - last.ended < PAUSE:
            del self.done[-1]
            self.open = _Open(last.began, last.waited, last.memory_mib)
        else:
            self.open = _Open(began)
        return self.open

    def end(self, ended: datetime) -> None:
        if self.open is not None:
            self.done.append(self.open.closed(ended))
            del self.done[:-MOST_OF_SLICE]
        self.open = None


class Stretches:
    """The stretches of all slices, until they are taken to be stored."""

    def __init__(self) -> None:
        self._slices: dict[SliceId, _Slice] = {}

    def report(
        self, slice_id: SliceId, report: SliceReport, behind: timedelta, now: datetime
    ) -> None:
        """Take what an agent, whose clock is ``behind``, says of a notebook's slice now."""
        known = self._known(slice_id)
        busy_ms, before_ms = report.gpu_busy_ms, known.busy_ms
        known.busy_ms = busy_ms
        if report.running_cell or (before_ms is not None and busy_ms > before_ms):
            found = known.open
            if found is None:
                # Not earlier than an agent reports: what it saw last may be of long ago.
                seen = _seen(report.quiet_since, behind, now)
                found = known.begin(max(seen, now - _REPORTS_WITHIN))
            found.memory_mib = max(found.memory_mib, report.memory_mib + report.host_mib)
        elif known.open is not None:
            seen = _seen(report.quiet_since, behind, now)
            known.end(max(seen, known.open.began))

    def _known(self, slice_id: SliceId) -> _Slice:
        found = self._slices.get(slice_id)
        if found is None:
            found = self._slices[slice_id] = _Slice()
        return found

    def gate_opened(self, slice_id: SliceId, at: datetime, waited: timedelta) -> None:
        """Take that a gate opened, before which a cell had waited."""
        if waited <= _NOTHING:
            return
        known = self._known(slice_id)
        waited = min(waited, _LONG_AGO)
        asked, last = at - waited, known.done[-1] if known.done else None
        if known.open is not None:
            known.open.began = min(known.open.began, asked)
            known.open.waited += waited
        elif last is not None and asked <= last.ended and at <= last.ended + _TOLD_LATE:
            both = min(last.waited + waited, last.waited + last.worked)
            worked = last.waited + last.worked - both
            known.done[-1] = replace(last, waited=both, worked=worked)
        else:
            known.begin(asked).waited += waited

    def end(self, slice_id: SliceId, now: datetime) -> tuple[Stretch, ...]:
        """Forget a slice that is no more, and return what is not stored of it."""
        known = self._slices.pop(slice_id, None)
        if known is None:
            return ()
        known.end(now)
        return tuple(known.done)

    def due(self, before: datetime, now: datetime) -> dict[SliceId, tuple[Stretch, ...]]:
        """Take the stretches of slices of which one ended before a time, by slice.

        With it go the others that can be gone on with no more: a block each would take far more
        room than what is in them.
        """
        found, over = {}, now - PAUSE - _TOLD_LATE
        for slice_id, known in self._slices.items():
            if not known.done or known.done[0].ended >= before:
                continue
            number = sum(each.ended < over for each in known.done)
            if number:
                found[slice_id] = tuple(known.done[:number])
                del known.done[:number]
        return found

    def all(self, now: datetime) -> dict[SliceId, tuple[Stretch, ...]]:
        """Take all there is, as the service ends: what goes on is cut there."""
        found = {}
        for slice_id, known in self._slices.items():
            known.end(now)
            if known.done:
                found[slice_id] = tuple(known.done)
                known.done.clear()
        return found


def _seen(at: datetime | None, behind: timedelta, now: datetime) -> datetime:
    """Return when an agent saw something, whatever it says, by the service's clock.

    Just now, where it does not tell.
    """
    if at is None:
        return now
    return now + max(-_LONG_AGO, min(at - now + behind, _NOTHING))


def packed(stretches: Iterable[Stretch]) -> bytes:
    """Return stretches as they are stored, 20 bytes each."""
    return b"".join(
        _PACKED.pack(
            max(0, round(each.began.timestamp() * 1000)),
            min(each.waited // _MS, _MOST),
            min(each.worked // _MS, _MOST),
            min(each.memory_mib, _MOST),
        )
        for each in stretches
    )


def unpacked(stored: bytes) -> Iterator[Stretch]:
    """Yield stored stretches; of what is no whole one, nothing."""
    whole = len(stored) // _PACKED.size * _PACKED.size
    for began_ms, waited_ms, worked_ms, memory_mib in _PACKED.iter_unpack(stored[:whole]):
        try:
            began = datetime.fromtimestamp(began_ms / 1000, UTC)
        except (OverflowError, ValueError, OSError):
            # Of a broken disk: as if nobody had reported.
            continue
        yield Stretch(began, waited_ms * _MS, worked_ms * _MS, memory_mib)
