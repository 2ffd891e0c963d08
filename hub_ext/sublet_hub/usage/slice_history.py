"""The last hour of each slice, a point every ten seconds, from what agents report.

Points are packed (15 bytes each), so that ten thousand slices take some 60 MB and no more.
Every five minutes a slice's new points are stored: a service that starts again goes on from
there. Where nobody reported there is no point.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import SliceId
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.share import HistoryPoint

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change
from sublet_hub.state.fleet import NodeView
from sublet_hub.usage.store import HistoryBlock, UseStore

STEP_S: Final = 10
SPAN: Final = timedelta(hours=1)
MOST_POINTS: Final = 360
_STORE_EACH: Final = 30
_POINT: Final = struct.Struct("<IIIBBB")
"""A packed point: seconds since the epoch, MiB on the GPU, MiB in host memory, percent, state,
flags.
"""
_NUMBERS: Final = {SliceState.RESIDENT: 0, SliceState.PAUSED: 1, SliceState.SUSPENDED: 3}
"""Of the states, as they are stored: a number stays with its state, and is not given again."""
_STATES: Final = {number: state for state, number in _NUMBERS.items()}
_ACTIVE, _LENT = 1, 2
_MOST: Final = 2**32 - 1
_WHOLE_PERCENT: Final = 100


@dataclass(slots=True)
class _Step:
    """The reports on a slice since its last point."""

    reports: int = 0
    utilisation: int = 0
    flags: int = 0

    def take(self, report: SliceReport) -> None:
        self.reports += 1
        self.utilisation += report.utilisation_percent or 0
        self.flags |= (_ACTIVE if report.active else 0) | (_LENT if report.lent_to else 0)


@dataclass(slots=True)
class _Slice:
    points: bytearray = field(default_factory=bytearray)
    unstored: int = 0
    """The number of the last points that are not in the database yet."""
    step: _Step = field(default_factory=_Step)
    next_at: float = 0.0


class Histories:
    """The last hour of all slices."""

    def __init__(self, ledger: Ledger, store: UseStore, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._store = store
        self._now = now
        self._slices: dict[SliceId, _Slice] = {}
        for block in store.history_since(now() - SPAN):
            slice_id = SliceId(block.slice_id)
            if slice_id in ledger.slices and len(block.points) % _POINT.size == 0:
                _add(self._slices.setdefault(slice_id, _Slice()), block.points)
        ledger.listen(self._ledger_changed)

    def take(self, view: NodeView) -> None:
        """Take a node's report."""
        at = self._now().timestamp()
        for slice_id, report in view.slices.items():
            kept = self._slices.get(slice_id)
            if kept is None:
                kept = self._slices[slice_id] = _Slice()
            kept.step.take(report)
            if at >= kept.next_at:
                _add(kept, _packed(report, kept.step, int(at)))
                kept.unstored += 1
                kept.step = _Step()
                kept.next_at = at + STEP_S

    def points(self, slice_id: SliceId, since: datetime | None) -> tuple[HistoryPoint, ...]:
        """Return a slice's points later than ``since``, of the last hour, the oldest first."""
        kept = self._slices.get(slice_id)
        if kept is None:
            return ()
        oldest = self._now() - SPAN
        later_than = oldest if since is None else max(oldest, since)
        return tuple(point for point in _unpacked(kept.points) if point.at > later_than)

    def store(self, *, everything: bool = False) -> None:
        """Store what is due, or all that is not stored yet. ``LedgerWriteError``."""
        least = 1 if everything else _STORE_EACH
        due = {s: kept for s, kept in self._slices.items() if kept.unstored >= least}
        self._store.add_history(_blocks(due.items()))
        for kept in due.values():
            kept.unstored = 0

    def _ledger_changed(self, change: Change) -> None:
        for slice_id in change.released:
            self._slices.pop(slice_id, None)


def _add(kept: _Slice, packed: bytes) -> None:
    kept.points += packed
    surplus = len(kept.points) - MOST_POINTS * _POINT.size
    if surplus > 0:
        del kept.points[:surplus]


def _packed(report: SliceReport, step: _Step, at: int) -> bytes:
    return _POINT.pack(
        at,
        min(report.memory_mib, _MOST),
        min(report.host_mib, _MOST),
        round(step.utilisation / step.reports),
        _NUMBERS[report.state],
        step.flags,
    )


def _unpacked(points: bytes | bytearray) -> Iterator[HistoryPoint]:
    for at, memory_mib, host_mib, percent, state, flags in _POINT.iter_unpack(bytes(points)):
        if state not in _STATES or percent > _WHOLE_PERCENT:
            # Of another version, or of a broken disk: as if nobody had reported.
            continue
        yield HistoryPoint(
            at=datetime.fromtimestamp(at, UTC),
            memory_mib=memory_mib,
            host_mib=host_mib,
            utilisation_percent=percent,
            state=_STATES[state],
            active=bool(flags & _ACTIVE),
            lent=bool(flags & _LENT),
        )


def _blocks(slices: Iterable[tuple[SliceId, _Slice]]) -> Iterator[HistoryBlock]:
    for slice_id, kept in slices:
        points = bytes(kept.points[-kept.unstored * _POINT.size :])
        (ended,) = struct.unpack_from("<I", points, len(points) - _POINT.size)
        yield HistoryBlock(slice_id, datetime.fromtimestamp(ended, UTC), points)
