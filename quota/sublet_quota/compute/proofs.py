"""Whether turns give slices what is due to them, as it is told: by what was measured of them.

That turns are taken keeps nobody's share yet: a share is kept once a whole second of turns is seen
to have given its slice what is due. Until then that is not known; where it is not so for long, the
share cannot be kept. Of more than a second it counts what was had on average: kernels of tens of
milliseconds come to their share over some seconds only.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.compute.card_use import CardUse, ComputingSlice, NotPausable
from sublet_quota.compute.measured import (
    computes,
    is_beyond_its_cap,
    used,
    were_taken,
    who_gets_less,
    who_has_more,
)
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import ShareKept

AVERAGED_OVER: Final = timedelta(seconds=5)
"""What was had longer ago hardly counts."""
DOUBTED_AFTER: Final = timedelta(seconds=3)
"""For so long a slice has other than its due before that counts: a machine is busy at times."""
GIVEN_UP_AFTER: Final = timedelta(minutes=1)
"""For so long it may not be known: turns are made longer and shorter for half as long."""


@dataclass(frozen=True, slots=True)
class _Off:
    """That a slice was not seen to have what is due to it."""

    since: datetime
    why: ShareKept = ShareKept.ALONE_PAUSABLE
    by_others: bool = False
    """Whether others have it that take no turns: then it is known that turns do not help."""


@dataclass(frozen=True, slots=True)
class Proofs:
    """What is known of those who take turns."""

    capped: bool = False
    """Whether they are kept from more than they may have, and not to their shares."""
    who: frozenset[SliceId] = frozenset()
    began: datetime | None = None
    """Since when these take turns."""
    until: datetime | None = None
    """Until when it was measured what they had since; ``None``: it was not yet."""
    had: Mapping[SliceId, float] = field(default_factory=dict)
    """The part of the card's time that each had since, lately."""
    seen: frozenset[SliceId] = frozenset()
    """Those that were seen to have what is due."""
    off: Mapping[SliceId, _Off] = field(default_factory=dict)
    """The others; and of those that were seen who has other than that lately."""

    def begun(self, who: Iterable[SliceId], now: datetime, *, capped: bool) -> "Proofs":
        """Return what is known as these take turns from now on."""
        who = frozenset(who)
        if (who, capped) == (self.who, self.capped):
            return self
        before = self if capped == self.capped else Proofs()
        seen = before.seen & who
        off = {each: before.off.get(each, _Off(now)) for each in who - seen}
        return Proofs(capped, who, now, seen=seen, off=off)

    def measured(self, use: CardUse, opened: Collection[SliceId] = ()) -> "Proofs":
        """Return what is known after what was measured, if they took turns all the while.

        ``opened``: who of them has an open turn.
        """
        if self.began is None or use.measured_from < self.began or not were_taken(use):
            return self
        now = use.now
        newer = 1.0 if self.until is None else min(1.0, (now - self.until) / AVERAGED_OVER)
        had: dict[SliceId, float] = {}
        for each in use:
            before = self.had.get(each.slice_id, used(each))
            had[each.slice_id] = before + newer * (used(each) - before)
        lately = [replace(each, used=had[each.slice_id]) for each in use]
        taking = [e for e in lately if e.slice_id in self.who and e.not_pausable is None]
        if self.capped:
            found = {e.slice_id: ShareKept.RUNS_ON for e in taking if is_beyond_its_cap(e)}
            others = None
        else:
            freely = [each for each in _computing(lately) if each.slice_id not in self.who]
            found, others = _who_is_off(taking, opened, freely), _who_has_it(lately, self.who)
        off = {who: _Off(self._off_since(who, now), why) for who, why in found.items()}
        if others is not None:
            robbed = who_gets_less(_computing(lately)) & {each.slice_id for each in taking}
            off |= {w: _Off(self._off_since(w, now), others, by_others=True) for w in robbed}
        known = {each.slice_id for each in taking}
        doubted = {who for who, each in off.items() if now - each.since >= DOUBTED_AFTER}
        seen = ((self.seen | known) - off.keys()) | ((self.seen & off.keys()) - doubted)
        return replace(self, until=now, had=had, seen=frozenset(seen), off=off)

    def kept(self, who: SliceId, now: datetime) -> ShareKept:
        """Return how it stands with the share of one that takes turns."""
        if who in self.seen:
            return ShareKept.CAPPED if self.capped else ShareKept.BY_TURNS
        off = self.off.get(who)
        if off is None:
            return ShareKept.BEING_MEASURED
        after = DOUBTED_AFTER if off.by_others else GIVEN_UP_AFTER
        return ShareKept.BEING_MEASURED if now - off.since < after else off.why

    def _off_since(self, who: SliceId, now: datetime) -> datetime:
        return self.off[who].since if who in self.off else now


def _computing(slices: Iterable[ComputingSlice]) -> list[ComputingSlice]:
    """Return who computes; who stands still by now has nothing any more."""
    still = NotPausable.STANDS_STILL
    return [e for e in slices if computes(e) and e.not_pausable is not still]


def _who_is_off(
    taking: Sequence[ComputingSlice],
    opened: Collection[SliceId],
    freely: Sequence[ComputingSlice],
) -> dict[SliceId, ShareKept]:
    """Return who of those that take turns has other than its due, and why that would be.

    What a program leaves of its open turn, the others have beside their due.
    """
    left = who_gets_less(taking, freely) & frozenset(opened)
    judged = [each for each in taking if each.slice_id not in left]
    off = dict.fromkeys(left, ShareKept.WAITS_FOR_PROGRAM)
    beside = [*freely, *(each for each in taking if each.slice_id in left)]
    more = who_has_more(judged, beside)
    # Where nobody has what is missing, the program left it.
    why = ShareKept.ALONE_PAUSABLE if more else ShareKept.WAITS_FOR_PROGRAM
    off |= dict.fromkeys(who_gets_less(judged, beside), why)
    return off | dict.fromkeys(more, ShareKept.RUNS_ON)


def _who_has_it(slices: Iterable[ComputingSlice], who: Collection[SliceId]) -> ShareKept | None:
    """Return why turns do not help: as some have more than is due that take none."""
    computing = _computing(slices)
    more = who_has_more(computing)
    why = {e.not_pausable for e in computing if e.slice_id in more and e.slice_id not in who}
    if not why:
        return None
    return ShareKept.OTHERS_WAIT if why == {None} else ShareKept.ALONE_PAUSABLE
