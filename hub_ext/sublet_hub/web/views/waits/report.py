"""Who waits for whom, for all who ask: looked at anew no more often than that is worth.

All slices and jobs are gone through a few at a time, and between these the loop serves others: what
is found of each is true at the moment at which it is looked at. Then all who ask are told of that
for some seconds, and for ten times as long as it took; where it takes little, a change of the
ledger has it looked at anew before that.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import chain
from typing import Final, TypeVar

from sublet_quota.names.ids import GpuId, GroupName, SliceId, UserName
from sublet_quota.wire.waits import MOST_TOLD, WaitsReport, WaitSum

from sublet_hub.ledger.records import Change
from sublet_hub.web.views.slices import HUB, Viewer
from sublet_hub.web.views.waits.found import FoundLoan, FoundObstacle, FoundWait
from sublet_hub.web.views.waits.loans import FindLoans
from sublet_hub.web.views.waits.waiting import FindWaits, WaitParts

_KEPT_S: Final = 3.0
_RESTS: Final = 10
"""After a look nobody looks for so many times as long as it took."""
_AT_ONCE_S: Final = 0.002
_FOLLOWED_S: Final = 60.0
"""So long after somebody asked it is looked at anew for the pages that may follow it."""

_SORTED_AT_ONCE: Final = 200

Made = TypeVar("Made")
Found = TypeVar("Found", FoundWait, FoundObstacle, FoundLoan)


@dataclass(frozen=True, slots=True)
class _Seen:
    """All that was found at a look."""

    at: datetime
    waits: list[FoundWait]
    loans: list[FoundLoan]
    waits_of: dict[str, list[FoundWait]]
    obstacles_of: dict[str, list[FoundObstacle]]
    loans_of: dict[str, list[FoundLoan]]
    mark: int
    """Of all waits and loans."""
    changes: int
    """How many changes of the ledger there were before."""
    began_s: float
    cpu_s: float

    def is_told_at(self, monotonic_s: float, changes: int) -> bool:
        """Whether this is still told after so many changes of the ledger."""
        age_s = monotonic_s - self.began_s
        if age_s < _RESTS * self.cpu_s:
            return True
        return changes == self.changes and age_s < _KEPT_S


@dataclass(frozen=True, slots=True)
class _Told:
    """What one caller is told of, in its order."""

    waits: Sequence[FoundWait]
    obstacles: Sequence[FoundObstacle]
    loans: Sequence[FoundLoan]


class WaitsNow:
    """Who waits for whom."""

    def __init__(self, parts: WaitParts) -> None:
        self._stores, self._views, self._line = parts.stores, parts.views, parts.line
        self._finds, self._loans = FindWaits(parts), FindLoans(parts.stores, parts.views)
        self._turn = asyncio.Lock()
        self._changes = 0
        self._asked_s = float("-inf")
        """When somebody asked last."""
        self._seen: _Seen | None = None
        self._written: tuple[_Seen, bytes] | None = None
        """What admins are told, as JSON, and of which look."""
        parts.stores.ledger.listen(self._ledger_changed)

    async def of(self, owner: UserName, viewer: Viewer) -> WaitsReport:
        """Return how an owner's things wait, and what they borrow and lend, as a viewer may see."""
        self._asked_s = time.monotonic()
        async with self._turn:
            seen = await self._look()
        line = [self._finds.notebook(each) for each in await self._line.standings.of(owner)]
        waits = await _in_order([*seen.waits_of.get(owner, ()), *line])
        obstacles, loans = seen.obstacles_of.get(owner, ()), seen.loans_of.get(owner, ())
        return await self._report(seen.at, _Told(waits, obstacles, loans), viewer)

    async def of_groups(self, groups: frozenset[GroupName], viewer: Viewer) -> WaitsReport:
        """Return how waits what these groups pay, or would, and what they borrow and lend.

        The other side of a loan is told as the viewer may see it.
        """
        self._asked_s = time.monotonic()
        async with self._turn:
            seen = await self._look()
        line, _ = await _one_by_one(map(self._finds.notebook, await self._line.standings.of()))
        waits = await _in_order([e for e in (*seen.waits, *line) if e.told.group in groups])
        loans = [each for each in seen.loans if not groups.isdisjoint(each.groups)]
        in_the_way = chain.from_iterable(seen.obstacles_of.values())
        obstacles = await _in_order([e for e in in_the_way if e.record.group in groups])
        return await self._report(seen.at, _Told(waits, obstacles, loans), viewer)

    async def _report(self, at: datetime, told: _Told, viewer: Viewer) -> WaitsReport:
        waits, obstacles, loans = told.waits, told.obstacles, told.loans
        return WaitsReport(
            as_of=at,
            waiting=tuple(each.shown(self._views, viewer) for each in waits[:MOST_TOLD]),
            for_owner=tuple(each.shown(self._views, viewer) for each in obstacles[:MOST_TOLD]),
            loans=tuple(each.shown(self._views, viewer) for each in loans[:MOST_TOLD]),
            sums=await _sums(waits),
            total_waiting=len(waits),
            total_loans=len(loans),
        )

    async def of_all(self) -> bytes:
        """Return how everybody waits, borrows and lends, as admins are told it, as JSON."""
        self._asked_s = time.monotonic()
        async with self._turn:
            seen = await self._look()
            if self._written is None or self._written[0] is not seen:
                self._written = seen, await self._write(seen)
            return self._written[1]

    async def follow(self) -> None:
        """Look at it anew where somebody asked lately: who followed a page may ask again."""
        if time.monotonic() - self._asked_s < _FOLLOWED_S:
            async with self._turn:
                await self._look()

    def mark(self, owner: UserName | None) -> int:
        """Return a number that is another where another thing was found at the last look.

        Of an owner, or of all. Of notebooks in line it says no more than that somebody came or
        went.
        """
        seen, line = self._seen, self._line.changed
        if seen is None:
            return line
        if owner is None:
            return hash((seen.mark, line))
        of_owner = (
            tuple(each.mark for each in found)
            for found in (
                seen.waits_of.get(owner, ()),
                seen.obstacles_of.get(owner, ()),
                seen.loans_of.get(owner, ()),
            )
        )
        return hash((*of_owner, line if self._line.count_of(owner) else 0))

    async def _write(self, seen: _Seen) -> bytes:
        told = await self._line.standings.of()
        line, _ = await _one_by_one(map(self._finds.notebook, told))
        # Whose turn has come is started, and waits no more.
        in_line = sum(each.slice_id is None for each in self._line.entries.values())
        waits = await _in_order([*seen.waits, *line]) if line else seen.waits
        others = WaitsReport(
            as_of=seen.at,
            waiting=(),
            loans=(),
            sums=await _sums(waits),
            total_waiting=len(seen.waits) + max(len(line), in_line),
            total_loans=len(seen.loans),
        )
        parts: list[FoundWait | FoundLoan] = [*waits[:MOST_TOLD], *seen.loans[:MOST_TOLD]]
        written, _ = await _one_by_one(
            each.shown(self._views, HUB).model_dump_json().encode() for each in parts
        )
        count = min(len(waits), MOST_TOLD)
        lists = {"waiting": written[:count], "loans": written[count:]}
        body = others.model_dump_json(exclude=set(lists)).encode()
        more = (b'"%s":[%s]' % (name.encode(), b",".join(each)) for name, each in lists.items())
        return b"%s,%s}" % (body.removesuffix(b"}"), b",".join(more))

    async def _look(self) -> _Seen:
        known, changes, began_s = self._seen, self._changes, time.monotonic()
        if known is not None and known.is_told_at(began_s, changes):
            return known
        at = self._stores.now()
        found, cpu_s = await _one_by_one(self._all())
        waits = await _in_order([each for each in found if isinstance(each, FoundWait)])
        loans = await _in_order([each for each in found if isinstance(each, FoundLoan)])
        in_the_way, _ = await _one_by_one(self._in_the_way(waits))
        obstacles = await _in_order(in_the_way)
        told: list[FoundWait | FoundLoan] = [*waits, *loans]
        marks, _ = await _one_by_one(each.mark for each in told)
        self._seen = _Seen(
            at,
            waits,
            loans,
            await _by_owner(waits),
            await _by_owner(obstacles),
            await _by_owner(loans),
            hash(tuple(marks)),
            changes,
            began_s,
            cpu_s,
        )
        return self._seen

    def _in_the_way(self, waits: Iterable[FoundWait]) -> Iterator[FoundObstacle]:
        """Yield the slices that others wait for."""
        slices = self._stores.ledger.slices
        for each in waits:
            for slice_id in each.waits_for:
                record, waiter = slices.get(SliceId(slice_id)), each.told.slice_id
                if record is not None and waiter is not None and record.owner != each.told.owner:
                    yield FoundObstacle(each.told, SliceId(waiter), record)

    def _all(self) -> Iterator[FoundWait | FoundLoan | None]:
        """Yield all waits and loans, and ``None`` wherever others may have a turn, too."""
        ledger, cards = self._stores.ledger, dict[GpuId, None]()
        for slice_id in tuple(ledger.slices):
            record = ledger.slices.get(slice_id)
            if record is not None:
                yield self._finds.slice(record)
                yield from self._loans.of_idle_slice(record)
                if self._loans.may_borrow(record):
                    cards[record.gpu.gpu_id] = None
        for gpu_id in cards:
            yield None
            yield from self._loans.of_guarantees(gpu_id)
        for job_id in tuple(ledger.live_jobs):
            job = ledger.live_jobs.get(job_id)
            yield None if job is None else self._finds.job(job)

    def _ledger_changed(self, change: Change) -> None:
        del change
        self._changes += 1


async def _in_order(found: list[Found]) -> list[Found]:
    """Return waits, or loans, in their order: to sort thousands at once holds everybody up."""
    starts = range(0, len(found), _SORTED_AT_ONCE)
    parts, _ = await _one_by_one(
        sorted(found[start : start + _SORTED_AT_ONCE], key=_rank) for start in starts
    )
    ordered, _ = await _one_by_one(merge(*parts, key=_rank))
    return ordered


async def _by_owner(found: Iterable[Found]) -> dict[str, list[Found]]:
    """Return waits, or loans, by whose they are."""
    of_owner: defaultdict[str, list[Found]] = defaultdict(list)
    pairs, _ = await _one_by_one((owner, each) for each in found for owner in each.owners)
    for owner, each in pairs:
        of_owner[owner].append(each)
    return dict(of_owner)


def _rank(found: FoundWait | FoundObstacle | FoundLoan) -> tuple[object, ...]:
    return found.rank


async def _one_by_one(made: Iterable[Made]) -> tuple[list[Made], float]:
    """Return what is made one after the other, and the seconds that a processor took over it.

    Every few milliseconds the loop serves others.
    """
    found: list[Made] = []
    used_s, began_s = 0.0, time.thread_time()
    for each in made:
        found.append(each)
        part_s = time.thread_time() - began_s
        if part_s > _AT_ONCE_S:
            used_s += part_s
            await asyncio.sleep(0)
            began_s = time.thread_time()
    return found, used_s + time.thread_time() - began_s


async def _sums(waits: Sequence[FoundWait]) -> tuple[WaitSum, ...]:
    codes, _ = await _one_by_one((each.told.kind, each.told.code) for each in waits)
    counted = Counter(codes)
    ordered = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    return tuple(WaitSum(kind=kind, code=code, count=count) for (kind, code), count in ordered)
