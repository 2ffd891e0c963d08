"""Whether turns give slices what is due to them, as it is told: by what was measured of them.

That turns are taken keeps nobody's share yet: a share is kept once a whole second of turns is seen
to have given its slice what is due. Until then that is not known; where it is not so for long, the
share cannot be kept. Of more than a second it counts what was had on average: kernels of tens of
milliseconds come to their share over some seconds only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.compute.card_use import CardUse
from sublet_quota.compute.measured import (
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
    has_more: bool = False


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

    def measured(self, use: CardUse) -> "Proofs":
        """Return what is known after what was measured, if they took turns all the while."""
        if self.began is None or use.measured_from < self.began or not were_taken(use):
            return self
        now = use.now
        slices = [e for e in use if e.slice_id in self.who and e.not_pausable is None]
        newer = 1.0 if self.until is None else min(1.0, (now - self.until) / AVERAGED_OVER)
        had: dict[SliceId, float] = {}
        for each in slices:
            before = self.had.get(each.slice_id, used(each))
            had[each.slice_id] = before + newer * (used(each) - before)
        lately = [replace(each, used=had[each.slice_id]) for each in slices]
        less: frozenset[SliceId] = frozenset()
        if self.capped:
            more = frozenset(each.slice_id for each in lately if is_beyond_its_cap(each))
        else:
            more, less = who_has_more(lately), who_gets_less(lately)
        off = {
            who: _Off(self.off[who].since if who in self.off else now, has_more=who in more)
            for who in more | less
        }
        doubted = {who for who, each in off.items() if now - each.since >= DOUBTED_AFTER}
        seen = ((self.seen | had.keys()) - off.keys()) | ((self.seen & off.keys()) - doubted)
        return replace(self, until=now, had=had, seen=frozenset(seen), off=off)

    def kept(self, who: SliceId, now: datetime) -> ShareKept:
        """Return how it stands with the share of one that takes turns."""
        if who in self.seen:
            return ShareKept.CAPPED if self.capped else ShareKept.BY_TURNS
        off = self.off.get(who)
        if off is None or now - off.since < GIVEN_UP_AFTER:
            return ShareKept.BEING_MEASURED
        return ShareKept.RUNS_ON if off.has_more else ShareKept.ALONE_PAUSABLE
