"""How many notices of one owner's own doing go out: whoever makes many fills no room of others'.

The same again soon, such as of a program that goes to and fro across its cap, waits a while: what
is told then goes out. It waits no longer than for half of the time that is left to do something.
Of each owner some are kept, sent or not, by each way, and fewer of one thing: what is more goes out
by none, and is counted with what was given up. In JupyterLab and on the hub's pages all is told.
What a group's members are told together, of its budget, is the doing of no one of them: it has as
much room of its own, and takes none of what is kept for each member.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.reasons.undelivered import Undelivered, undelivered_clause
from sublet_quota.wire.announcements import Audience

from sublet_hub.delivery.notice import Notice, is_of_group
from sublet_hub.delivery.sender import Channel
from sublet_hub.ledger.deliveries import Delivery

MOST_OF_OWNER: Final = 50
"""By each way, of those that are not forgotten: with as many servers and jobs all are told."""
MOST_OF_ONE: Final = 20
"""Of these, so many with the same id, such as of one server: of others there is room then."""
NOT_AGAIN_WITHIN: Final = timedelta(minutes=10)
_LOG = logging.getLogger(__name__)

_Receiver = tuple[Channel, str | None, bool]
"""By which way and to whom, and whether it is of a group: of that so many are kept, too."""
_Thing = tuple[_Receiver, str]
"""What an owner is told of: the id of a notice, which is the same when it is told anew."""


class OwnDoings:
    """Says which new notices are taken in, and counts those that are too many."""

    def __init__(self) -> None:
        self._too_many: dict[_Receiver, tuple[int, datetime]] = {}
        """How many were too many, since the start, and when the last of them was."""
        self._known: frozenset[str] = frozenset()
        """Those that were too many at the last look, and are told still."""

    def taken(self, new: Iterable[Notice], kept: Iterable[Delivery], now: datetime) -> list[Notice]:
        """Return those that are taken in now, of those with the fewest so far first."""
        counts, of_things, last = _of_owners(kept)
        taken, too_many = [], []
        for each in sorted(new, key=lambda notice: notice.made_at):
            receiver = _receiver(each)
            if not each.is_own_doing:
                taken.append((0, each))
                continue
            thing = receiver, each.notice_id
            before = last.get(thing)
            if before is not None and before <= now < _again_at(each, before):
                continue
            if counts[receiver] >= MOST_OF_OWNER or of_things[thing] >= MOST_OF_ONE:
                too_many.append(each)
                continue
            counts[receiver] += 1
            of_things[thing] += 1
            last[thing] = each.made_at
            taken.append((counts[receiver], each))
        self._count(too_many, now)
        # Where there is no room for all, one owner's many are left out before others' few.
        return [each for _, each in sorted(taken, key=lambda ranked: ranked[0])]

    def given_up(self) -> Counter[Channel]:
        """Return how many were too many and are not forgotten, by way."""
        counts: Counter[Channel] = Counter()
        for (channel, *_), (count, _) in self._too_many.items():
            counts[channel] += count
        return counts

    def last_of(self, channel: Channel) -> datetime | None:
        """Return when one was too many last, by a way."""
        found = (at for (by, *_), (_, at) in self._too_many.items() if by is channel)
        return max(found, default=None)

    def forget(self, before: datetime) -> None:
        """Forget owners of whom none was too many since."""
        self._too_many = {who: each for who, each in self._too_many.items() if each[1] >= before}

    def _count(self, too_many: list[Notice], now: datetime) -> None:
        """Count those that were not there at the last look."""
        new = [each for each in too_many if each.delivery_id not in self._known]
        self._known = frozenset(each.delivery_id for each in too_many)
        for each in new:
            receiver = _receiver(each)
            count, _ = self._too_many.get(receiver, (0, now))
            self._too_many[receiver] = count + 1, now
        if new:
            why = undelivered_clause(Undelivered.TOO_MANY)
            _LOG.warning("%d notices are given up: %s", len(new), why)


def _receiver(notice: Notice) -> _Receiver:
    return notice.channel, notice.name, is_of_group(notice.notice_id)


def _again_at(notice: Notice, before: datetime) -> datetime:
    """Return when a notice may go out that was told before."""
    again_at = before + NOT_AGAIN_WITHIN
    if notice.ends_at is None:
        return again_at
    return min(again_at, notice.made_at + (notice.ends_at - notice.made_at) / 2)


def _of_owners(
    kept: Iterable[Delivery],
) -> tuple[Counter[_Receiver], Counter[_Thing], dict[_Thing, datetime]]:
    """Return how many each owner has, in all and of each thing, and when that was told last."""
    counts: Counter[_Receiver] = Counter()
    of_things: Counter[_Thing] = Counter()
    last: dict[_Thing, datetime] = {}
    for receiver, each in _own(kept):
        thing = receiver, each.notice_id
        counts[receiver] += 1
        of_things[thing] += 1
        last[thing] = max(each.made_at, last.get(thing, each.made_at))
    return counts, of_things, last


def _own(kept: Iterable[Delivery]) -> Iterator[tuple[_Receiver, Delivery]]:
    for each in kept:
        if each.audience == Audience.OWNER and not each.from_admin:
            yield (Channel(each.channel), each.name, is_of_group(each.notice_id)), each
