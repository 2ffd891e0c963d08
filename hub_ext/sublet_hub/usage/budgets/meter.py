"""The meter of budgets: what slices of notebooks and of jobs held, of which kind, by hour.

Every moment for which a slice is handed out is counted once: in stretches of five seconds or more
as its agent reports, up to now when what was counted is stored, and to the end when the slice is
released. So held is the sum of used, idle, lent and suspended, also where an agent, or the
service, was away: a slice whose agent is silent counts as it was seen last, and nothing is paid for
its room.

What a GPU computed beyond a stretch, as reports come early or late, counts in the next one. Who
pays for lent room is the guest: its part of the room, at the rate of the nearest budget of its
group's; a guest in the room of several owners pays each by the size of theirs.

What is stored is counted up to one moment, some slices at a time, and written in a thread: what is
counted beyond that moment meanwhile is stored the next time.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Final

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.budgets.charge import HeldTime, Stretch, times_of
from sublet_quota.budgets.guests import Guest, paid_for_room
from sublet_quota.budgets.period import HOUR, hour_of
from sublet_quota.budgets.spending import ChargedHour
from sublet_quota.holdings.gpu_load import cards_on
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import NodeId, SliceId
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import SliceReport

from sublet_hub.ledger.charged_hours import ChargedHourStore
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, SliceRecord
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.collectors.stepped import in_parts
from sublet_hub.state.fleet import NodeView

STRETCH: Final = timedelta(seconds=5)
LONGEST: Final = timedelta(seconds=30)
"""A longer stretch has a gap in it: what a report says of it is not known well enough."""
_MOST_OWED_US: Final = 30_000_000
_US: Final = timedelta(microseconds=1)
_US_PER_MS: Final = 1000
_NOTHING: Final = Fraction(0)


@dataclass(slots=True)
class _Seen:
    """A slice, and until when it is counted."""

    record: SliceRecord
    until: datetime
    cards: Fraction
    """Which part of its card the slice is."""
    busy_ms: int | None = None
    """Its counter of GPU time when it was told last."""
    owed_us: int = 0
    """What the GPU computed, and no stretch had room for yet."""
    entitled: bool = False
    suspended: bool = False
    lent: bool = False
    paid: Fraction = _NOTHING
    """For which part of a card guests pay in its room."""


_Row = tuple[object, ...]
_Rows = dict[_Row, ChargedHour]


class BudgetMeter:
    """The sums of held time by payer, owner, model, kind and hour."""

    def __init__(
        self,
        ledger: Ledger,
        capacity: Capacity,
        store: ChargedHourStore,
        now: Callable[[], datetime],
    ) -> None:
        """Begin where what is stored ends, at first now.

        ``LedgerReadError``, ``LedgerWriteError``.
        """
        self._ledger = ledger
        self._capacity = capacity
        self._store = store
        self._now = now
        self._seen: dict[SliceId, _Seen] = {}
        self._looked_at: dict[NodeId, datetime] = {}
        self._unstored: _Rows = {}
        self._cut: datetime | None = None
        """Up to when is counted what is about to be stored."""
        self._beyond: _Rows = {}
        """What was counted beyond that."""
        self._listeners: list[Callable[[tuple[ChargedHour, ...]], None]] = []
        counted = store.until()
        if counted is None:
            # Stored at once: a service that is killed before its first minute forgets nothing.
            counted = now()
            store.add((), counted)
        for record in ledger.slices.values():
            self._see(record, max(record.created_at, counted))
        ledger.listen(self._ledger_changed)

    def listen(self, listener: Callable[[tuple[ChargedHour, ...]], None]) -> None:
        """Call ``listener`` with what was stored."""
        self._listeners.append(listener)

    def take(self, view: NodeView) -> None:
        """Take a node's report."""
        now = self._now()
        before = self._looked_at.get(view.node)
        if before is not None and now - before < STRETCH:
            return
        self._looked_at[view.node] = now
        here = {
            record.slice_id: (self._seen[record.slice_id], view.slices[record.slice_id])
            for record in self._ledger.slices_on_node(view.node)
            if record.slice_id in view.slices and record.slice_id in self._seen
        }
        paid = self._paid(here)
        for slice_id, (seen, report) in here.items():
            self._read(seen, report, now)
            seen.paid = paid.get(slice_id, _NOTHING)
            self._count(seen, now)

    async def store(self) -> None:
        """Count all slices up to now, and store that; others have turns meanwhile.

        After a ``LedgerWriteError`` that is tried again next time.
        """
        for step in self._count_all(self._now()):
            await asyncio.sleep(0)
            step()
        parts, until = self._taken_off()
        writing = asyncio.ensure_future(asyncio.to_thread(self._store.add, parts, until))
        try:
            await asyncio.wait({writing})
        finally:
            # Also who is cancelled must know what was stored, for the thread writes on.
            await asyncio.wait({writing})
            if writing.exception() is None:
                self._tell(parts)
            else:
                self._put_back(parts)
        writing.result()

    def store_at_end(self) -> None:
        """Do the same at once, for a service that ends. ``LedgerWriteError``."""
        for step in self._count_all(self._now()):
            step()
        parts, until = self._taken_off()
        self._store.add(parts, until)
        self._tell(parts)

    def _count_all(self, now: datetime) -> Iterable[Callable[[], None]]:
        """Return the steps that count all slices up to a moment."""
        self._cut = now
        return tuple(partial(self._count_some, part, now) for part in in_parts(self._seen))

    def _count_some(self, slices: Iterable[SliceId], now: datetime) -> None:
        for slice_id in slices:
            # What was released meanwhile is counted to its end.
            seen = self._seen.get(slice_id)
            if seen is not None and seen.until < now:
                if self._is_heard_of(seen, now):
                    seen.entitled = self._is_entitled(seen)
                self._count(seen, now)

    def _is_heard_of(self, seen: _Seen, now: datetime) -> bool:
        """Whether what holdings say of a slice counts: not while its agent, and card, are away."""
        told_at = self._looked_at.get(seen.record.gpu.node)
        return told_at is not None and now - told_at <= LONGEST

    def _taken_off(self) -> tuple[tuple[ChargedHour, ...], datetime]:
        """Return what is to be stored, and up to when all is counted then."""
        until = self._cut or self._now()
        parts = tuple(self._unstored.values())
        self._unstored, self._beyond, self._cut = self._beyond, {}, None
        return parts, until

    def _put_back(self, parts: Iterable[ChargedHour]) -> None:
        """Keep what could not be stored for the next time."""
        for part in parts:
            _add_to(self._unstored, part)

    def _tell(self, parts: tuple[ChargedHour, ...]) -> None:
        for listener in self._listeners:
            listener(parts)

    def _read(self, seen: _Seen, report: SliceReport, now: datetime) -> None:
        """Take over what an agent says of a slice."""
        length = now - seen.until
        before, seen.busy_ms = seen.busy_ms, report.gpu_busy_ms
        if report.gpu_busy_ms == 0:
            # Where the driver counts no time by process, what it says of utilisation has to do.
            percent = (report.utilisation_percent or 0) if length <= LONGEST else 0
            seen.owed_us += round(length / _US * percent / 100)
        elif before is not None:
            # A new agent counts from nothing.
            new_ms = report.gpu_busy_ms - (before if before <= report.gpu_busy_ms else 0)
            seen.owed_us += new_ms * _US_PER_MS
        seen.suspended = report.state is SliceState.SUSPENDED
        seen.lent = bool(report.lent_to)
        seen.entitled = self._is_entitled(seen)

    def _is_entitled(self, seen: _Seen) -> bool:
        if seen.record.holder is Holder.JOB:
            return bool(seen.record.entitled)
        return self._capacity.holdings.is_entitled(seen.record.slice_id)

    def _paid(
        self, here: Mapping[SliceId, tuple[_Seen, SliceReport]]
    ) -> Mapping[SliceId, Fraction]:
        """Return for which part of a card guests pay in the room of each slice here."""
        lenders: defaultdict[SliceId, list[SliceId]] = defaultdict(list)
        for slice_id, (_, report) in here.items():
            for guest in dict.fromkeys(report.lent_to):
                lenders[SliceId(guest)].append(slice_id)
        guests = (
            Guest(
                found[0].cards,
                found[0].record.group,
                {each: here[each][0].cards for each in theirs},
            )
            for guest, theirs in lenders.items()
            if (found := here.get(guest)) is not None and found[1].state is not SliceState.SUSPENDED
        )
        return paid_for_room(self._capacity.holdings.document, guests)

    def _count(self, seen: _Seen, now: datetime) -> None:
        """Count a slice from where it was counted up to now, hour by hour."""
        paid = seen.paid if now - seen.until <= LONGEST else _NOTHING
        while seen.until < now:
            end = min(now, hour_of(seen.until) + HOUR)
            rows = self._unstored
            if self._cut is not None:
                rows = rows if seen.until < self._cut else self._beyond
                end = min(end, self._cut) if seen.until < self._cut else end
            length_us = (end - seen.until) // _US
            busy_us = min(seen.owed_us, length_us)
            seen.owed_us -= busy_us
            stretch = Stretch(
                length_us, busy_us, seen.cards, seen.entitled, seen.suspended, seen.lent, paid
            )
            for time in times_of(stretch):
                _add_to(rows, _part_of(seen, time))
            seen.until = end
        seen.owed_us = min(seen.owed_us, _MOST_OWED_US)

    def _see(self, record: SliceRecord, since: datetime) -> None:
        steps = record.entitled if record.entitled_in_force is None else record.entitled_in_force
        cards = _cards_of(record)
        self._seen[record.slice_id] = _Seen(record, since, cards, entitled=bool(steps))

    def _ledger_changed(self, change: Change) -> None:
        """Count what is released, or counts otherwise from now on, as it was until now."""
        now = self._now()
        for record in change.slices:
            seen = self._seen.get(record.slice_id)
            if seen is None:
                self._see(record, record.created_at)
                continue
            if _counts_as(seen.record) != _counts_as(record):
                self._count(seen, now)
                seen.cards = _cards_of(record)
            seen.record = record
        for slice_id in change.released:
            gone = self._seen.pop(slice_id, None)
            if gone is not None:
                self._count(gone, now)


def _counts_as(record: SliceRecord) -> tuple[object, ...]:
    """Return all by which what a slice holds is counted."""
    return record.group, record.owner, record.gpu, record.memory_mib, record.compute_milli


def _cards_of(record: SliceRecord) -> Fraction:
    """Return which part of its card a slice is."""
    gpu = record.gpu
    kind = GpuKind(gpu.type, gpu.memory_mib, gpu.margin_mib)
    return cards_on(GpuAmount(record.memory_mib, record.compute_milli), kind)


def _part_of(seen: _Seen, time: HeldTime) -> ChargedHour:
    record, hour = seen.record, hour_of(seen.until)
    return ChargedHour(hour, record.group, record.owner, record.gpu.type, time)


def _add_to(rows: _Rows, part: ChargedHour) -> None:
    time = part.time
    key = part.hour, part.payer, part.owner, part.model, time.kind, time.entitled
    before = rows.get(key)
    rows[key] = part if before is None else replace(before, time=before.time.plus(time))
