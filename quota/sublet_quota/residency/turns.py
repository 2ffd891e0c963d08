"""How long a turn on the GPU lasts, who may end it sooner, and in which order those who wait come.

A turn is worth what it costs: it lasts as long as the pool's ``turn``, or ``WORTH`` times the mean
of what it takes to bring back and take out its own slice and the largest one that waits, whichever
is longer. Both sides of an exchange reckon with the same mean, so holding more memory gives nobody
a longer turn than the other has. No turn lasts longer than ``LONGEST`` of the pool's.

An owner who did no work for one of the pool's turns is a newcomer. A newcomer comes before those
whose wait began less than a longest turn before its own, and may end a turn that has lasted a short
one. In return its first turn lasts one of the pool's, whatever it costs; and whose turn was ended
early has its next one whole. So every wait is bounded: each of those that waited longer has one
turn before, and every other owner at most ``LONGEST`` first ones, as long together as a longest.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from sublet_quota.names.ids import SliceId
from sublet_quota.residency.snapshot import (
    GpuSnapshot,
    Holder,
    PoolSettings,
    Rank,
    SliceView,
    TurnKind,
)

WORTH: Final = 4
LONGEST: Final = 4
_OF_A_TURN: Final = 4
"""A short turn is the fourth part of the pool's, if that is worth one switch."""


@dataclass(frozen=True, slots=True)
class PastTurns:
    """What of a slice's past its next turn hangs on; one that is new has no past."""

    lasted: timedelta | None = None
    """How long its last turn lasted; ``None``: it had none."""
    worked_until: datetime | None = None
    """Until when it had work in that, as far as is known."""
    came_at: datetime | None = None
    """When it began to wait for its present turn, or had that at once."""

    @classmethod
    def of_before(cls, now: datetime) -> Self:
        """Return what holds of a slice whose turns nobody remembers: it is no newcomer."""
        return cls(timedelta(0), now, now)

    def comes(self, now: datetime) -> "PastTurns":
        """Return what holds when work comes, and the slice waits, or has its turn at once."""
        return replace(self, came_at=now)

    def ends(self, since: datetime, now: datetime, rests_since: datetime | None) -> "PastTurns":
        """Return what holds when a turn ends, and the slice waits for the next.

        ``rests_since``: since when it had no work; ``None``: it has.
        """
        return PastTurns(now - since, rests_since or now, now)

    def broken_off(self, now: datetime, rests_since: datetime | None) -> "PastTurns":
        """Return what holds when an owner gives up a turn: nobody cut that short.

        ``rests_since``: as in ``ends``.
        """
        return PastTurns(timedelta.max, rests_since or now, now)

    def next_kind(self, turn: timedelta) -> TurnKind:
        """Return what its turn is, or the one that it waits for. ``turn``: the pool's."""
        if self.lasted is None or self.worked_until is None:
            return TurnKind.FIRST
        if self.came_at is not None and self.came_at - self.worked_until >= turn:
            return TurnKind.FIRST
        return TurnKind.WHOLE if self.lasted < turn else TurnKind.USUAL


def longest_turn(settings: PoolSettings) -> timedelta:
    """Return how long a turn lasts at most where somebody waits for its end."""
    return LONGEST * settings.turn


class Turns:
    """The turns on a GPU at one moment; what is asked for twice is reckoned once."""

    def __init__(self, snapshot: GpuSnapshot) -> None:
        self._snapshot = snapshot
        self._switches: dict[SliceId, timedelta] = {}
        self._waiting_mib: list[int] = []
        self._ends: dict[SliceId, tuple[datetime, datetime]] = {}

    def length(self, view: SliceView) -> timedelta:
        """Return how long a slice's turn lasts where somebody waits for its end."""
        turn = self._snapshot.settings.turn
        if view.rests_since is not None or view.is_newcomer:
            return turn
        worth = WORTH * self._switch(view)
        return turn if worth <= turn else min(worth, LONGEST * turn)

    def ends(self, view: SliceView, waiting: SliceView) -> datetime | None:
        """Return when a turn may end for this slice that waits; ``None``: there is none to end."""
        return self.last_end((view,), waiting)

    def last_end(self, views: Iterable[SliceView], waiting: SliceView) -> datetime | None:
        """Return when the last of these turns may end for a slice that waits."""
        last, of, known = None, int(not waiting.is_newcomer), self._ends
        for view in views:
            ends = known[view.slice_id] if view.slice_id in known else self._ends_of(view)
            if ends is not None and (last is None or ends[of] > last):
                last = ends[of]
        return last

    def is_over(self, view: SliceView, *, for_a_newcomer: bool = False) -> bool:
        """Whether a turn may end, for anybody who waits or for a newcomer alone."""
        ends = self._ends_of(view)
        return ends is not None and ends[int(not for_a_newcomer)] <= self._snapshot.now

    def moments(self, view: SliceView) -> Iterator[datetime]:
        """Yield when somebody else may get a slice's seat, though nothing happens until then."""
        yield from self._ends_of(view) or ()
        if view.turn_since is not None and view.rests_since is not None:
            yield view.rests_since + self._snapshot.settings.turn

    def _ends_of(self, view: SliceView) -> tuple[datetime, datetime] | None:
        """Return when a turn ends for a newcomer, and for all others."""
        if view.turn_since is None:
            return None
        if view.slice_id in self._ends:
            return self._ends[view.slice_id]
        usual = early = self.length(view)
        if view.turn_kind is not TurnKind.WHOLE:
            short = max(self._snapshot.settings.turn / _OF_A_TURN, self._switch(view))
            early = min(usual, short)
        ends = self._ends[view.slice_id] = view.turn_since + early, view.turn_since + usual
        return ends

    def _switch(self, view: SliceView) -> timedelta:
        """Return what it takes on average to let one of this slice and of those waiting follow."""
        if view.slice_id not in self._switches:
            size_mib = view.held_mib + view.image_mib + self._largest_waiting()[view.turn_rank]
            out_s = size_mib / self._snapshot.suspend_mib_per_s
            back_s = size_mib / self._snapshot.resume_mib_per_s
            self._switches[view.slice_id] = timedelta(seconds=(out_s + back_s) / 2)
        return self._switches[view.slice_id]

    def _largest_waiting(self) -> Sequence[int]:
        """Return what the largest slice that waits for a turn has, in MiB, by rank."""
        if not self._waiting_mib:
            self._waiting_mib = [0] * len(Rank)
            for view in self._snapshot.slices:
                size_mib = view.held_mib + view.image_mib
                rank = view.rank if view.holder is Holder.NOTEBOOK else Rank.BORROWED
                waits = not (view.gate_open or view.held_back) and view.rests_since is None
                if waits and size_mib > self._waiting_mib[rank] and view.takes_turns:
                    self._waiting_mib[rank] = size_mib
        return self._waiting_mib


def order_of_coming(snapshot: GpuSnapshot, view: SliceView) -> tuple[datetime, SliceId]:
    """Return the key by which those who wait come: the longest wait first, newcomers sooner."""
    since = view.waiting_since or view.since
    if view.turn_kind is TurnKind.FIRST and not view.is_job:
        since -= longest_turn(snapshot.settings)
    return (since, view.slice_id)
