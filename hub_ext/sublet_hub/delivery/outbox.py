"""What waits to be sent: each notice to each receiver once, kept in the ledger until it is over.

It is written down before it is sent, and again when it was taken: after a crash in between it is
sent again, with the same id. What fails is tried again, later each time, and given up after some
tries, or when what it tells is over. What is no longer told meanwhile is not sent any more.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.reasons.undelivered import FOR_GOOD, Undelivered, undelivered_clause
from sublet_quota.wire.deliveries import ChannelInfo, DeliveriesInfo

from sublet_hub.delivery.notice import Notice
from sublet_hub.delivery.own_doings import OwnDoings
from sublet_hub.delivery.reported_weeks import ReportedWeeks
from sublet_hub.delivery.sender import SENT, Channel, Outcomes, Sender
from sublet_hub.ledger.deliveries import Delivery, DeliveryStore

MOST_KEPT: Final = 20_000
MOST_TRIES: Final = 10
_AT_ONCE: Final = 50
_FIRST_REST: Final = timedelta(seconds=30)
_LONGEST_REST: Final = timedelta(hours=1)
_KEPT_AFTER: Final = timedelta(days=2)
_LOG = logging.getLogger(__name__)


class Outbox:
    """The deliveries of all ways out."""

    def __init__(
        self,
        store: DeliveryStore,
        senders: Mapping[Channel, Sender],
        now: Callable[[], datetime],
        weeks: ReportedWeeks | None = None,
    ) -> None:
        self._store = store
        self._senders = senders
        self._now = now
        self.weeks = weeks
        self._own_doings = OwnDoings()
        self._is_full = False
        self._told_once = frozenset(store.kept)
        """What is told still, and not to be told again; before the first look all may be."""
        self._parts: dict[str, frozenset[str] | None] = {}
        """Of which groups each report that waits was written, since the start."""

    @property
    def channels(self) -> Collection[Channel]:
        """The ways that are set."""
        return self._senders.keys()

    def take(self, told: Iterable[Notice], *, reports_known: bool = True) -> None:
        """Take over all that is told now: keep what is new, drop what waits and is told no more.

        ``reports_known``: whether it is known to whom reports go; else none of them is dropped.
        ``LedgerWriteError``: then all is as before, and tried the next time.
        """
        current = {each.delivery_id: each for each in told if each.channel in self._senders}
        moot = [
            each.delivery_id
            for each in self._store.kept.values()
            if each.waits and each.delivery_id not in current and (reports_known or not each.report)
        ]
        self._store.drop(*moot)
        self._told_once = frozenset(e.delivery_id for e in current.values() if e.is_told_once)
        self._write_anew(current)
        now = self._now()
        kept = self._store.kept
        untaken = (each for name, each in current.items() if name not in kept)
        new = self._own_doings.taken(untaken, kept.values(), now)
        room = MOST_KEPT - len(kept)
        if len(new) > room and not self._is_full:
            _LOG.warning("%d notices wait to be sent: no more are taken in", MOST_KEPT)
        self._is_full = len(new) > room
        added = new[: max(0, room)]
        self._store.add(*(_delivery(each, now) for each in added))
        self._parts |= {each.delivery_id: each.part for each in added}

    def _write_anew(self, current: Mapping[str, Notice]) -> None:
        """Have reports that wait tell of the groups that are their receivers' now, no others."""
        waiting = {
            name: current[name].part
            for name, each in self._store.kept.items()
            if each.waits and each.report and name in current
        }
        others = [
            name
            for name, part in waiting.items()
            if name not in self._parts or self._parts[name] != part
        ]
        kept = self._store.kept
        self._store.keep(*(replace(kept[e], report=current[e].report()) for e in others))
        self._parts = waiting

    async def send_due(self, channel: Channel) -> None:
        """Try those of one way whose time has come, some at once.

        ``LedgerWriteError``: what was sent then is sent again.
        """
        now = self._now()
        waiting = (e for e in self._store.kept.values() if e.waits and e.channel == channel)
        due = sorted((e for e in waiting if e.next_at <= now), key=lambda each: each.next_at)
        over = [each for each in due if each.until <= now]
        due = [each for each in due if each.until > now][:_AT_ONCE]
        outcomes: dict[str, Undelivered | None] = {
            each.delivery_id: Undelivered.TOO_LATE for each in over
        }
        if due:
            outcomes |= await self._senders[channel].send(due)
        self._note(channel, outcomes)

    async def try_now(self, notice: Notice) -> Undelivered | None:
        """Send something once, at once, and say what came of it: nothing of it is kept.

        ``KeyError`` where its way is not set.
        """
        sender, tried = self._senders[notice.channel], _delivery(notice, self._now())
        outcomes = await sender.send([tried])
        return outcomes.get(tried.delivery_id, Undelivered.TRY_LATER)

    def forget_old(self) -> None:
        """Forget those that were sent, or given up, and are over for long enough."""
        before = self._now() - _KEPT_AFTER
        old = tuple(
            name
            for name, each in self._store.kept.items()
            if not each.waits and each.until < before and name not in self._told_once
        )
        self._store.drop(*old)
        self._own_doings.forget(before)

    def told(self) -> DeliveriesInfo:
        """Return what became of them, for admins."""
        return DeliveriesInfo(
            channels=tuple(self._of_channel(each) for each in self._senders),
            is_full=self._is_full,
            reports=None if self.weeks is None else self.weeks.told,
        )

    @property
    def given_up(self) -> int:
        """How many were given up and are not forgotten."""
        return self.given_up_by_reason().total()

    def given_up_by_reason(self) -> Counter[tuple[str, str]]:
        """Return how many were given up and are not forgotten, by way and code of the reason."""
        kept = self._store.kept.values()
        counts = Counter((e.channel, e.problem) for e in kept if not e.waits and e.problem)
        for channel, count in self._own_doings.given_up().items():
            counts[channel.value, Undelivered.TOO_MANY.value] = count
        return counts

    def close(self) -> None:
        """Send nothing more."""
        for sender in self._senders.values():
            sender.close()

    def _of_channel(self, channel: Channel) -> ChannelInfo:
        kept = [each for each in self._store.kept.values() if each.channel == channel]
        counts = Counter(
            "waiting" if each.waits else "sent" if each.was_sent else "failed" for each in kept
        )
        failed = [each for each in kept if each.problem is not None]
        last = max(failed, key=lambda each: each.done_at or each.next_at, default=None)
        problem, problem_at = None, None
        if last is not None:
            problem, problem_at = _words(last.problem), last.made_at
        too_many_at = self._own_doings.last_of(channel)
        if too_many_at is not None and (problem_at is None or problem_at < too_many_at):
            problem, problem_at = undelivered_clause(Undelivered.TOO_MANY), too_many_at
        return ChannelInfo(
            channel=channel.value,
            waiting=counts["waiting"],
            sent=counts["sent"],
            failed=counts["failed"] + self._own_doings.given_up()[channel],
            problem=problem,
            problem_at=problem_at,
        )

    def _note(self, channel: Channel, outcomes: Outcomes) -> None:
        """Write down what became of those that were tried."""
        now = self._now()
        tried = []
        for name, why in outcomes.items():
            before = self._store.kept.get(name)
            if before is not None and before.waits:
                tried.append(_after(before, why, now))
        self._store.keep(*tried)
        given_up = [e for e in tried if not e.waits and not e.was_sent]
        if given_up:
            last = _words(given_up[-1].problem)
            _LOG.warning("%d notices by %s are given up: %s", len(given_up), channel, last)


def _delivery(notice: Notice, now: datetime) -> Delivery:
    return Delivery(
        delivery_id=notice.delivery_id,
        channel=notice.channel.value,
        notice_id=notice.notice_id,
        audience=notice.audience.value,
        name=notice.name,
        text=notice.text,
        from_admin=notice.from_admin,
        made_at=notice.made_at,
        until=notice.until,
        attempts=0,
        next_at=now,
        report=notice.report(),
    )


def _after(before: Delivery, why: Undelivered | None, now: datetime) -> Delivery:
    """Return a delivery after a try."""
    attempts = before.attempts + 1
    if why is SENT:
        return replace(before, attempts=attempts, done_at=now, problem=None, report="")
    if why in FOR_GOOD or attempts >= MOST_TRIES:
        return replace(before, attempts=attempts, done_at=now, problem=why.value, report="")
    rest = min(_LONGEST_REST, _FIRST_REST * 2**before.attempts)
    return replace(before, attempts=attempts, next_at=now + rest, problem=why.value)


def _words(problem: str | None) -> str:
    known = {each.value: each for each in Undelivered}
    return undelivered_clause(known[problem]) if problem in known else problem or ""
