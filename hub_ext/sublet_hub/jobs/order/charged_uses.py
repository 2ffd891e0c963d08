"""The use that everybody is charged: what slices and jobs held, less what was lent or stood still.

What has ended is read from the ledger once, when the service starts, and added up from then on as
it ends; what lasts is known from memory. So no sum is ever added up from scratch while the service
serves, but where a new document has another half-life: that is done in another thread.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.card_policy import rate_of
from sublet_quota.holdings.gpu_load import cards_on
from sublet_quota.jobs.turns.past_uses import Payer, UseSums
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.shares.past_use import NO_TIME, CardUse, Span

from sublet_hub.ledger.database import LedgerReadError
from sublet_hub.ledger.held_periods import HeldPeriod
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, OffTime, SliceRecord

_LOG = logging.getLogger(__name__)
_HALF_LIVES: Final = 20
"""What is older than so many has worn off to a millionth."""
_MOST_SPANS: Final = 32
"""Of more times off a card the oldest are put together, so that no job takes ever more memory."""


@dataclass(slots=True)
class _Open:
    """A slice that is held, as it is charged."""

    record: SliceRecord
    began_at: datetime
    estimate: timedelta
    off: list[Span] = field(default_factory=list)

    @property
    def payer(self) -> Payer:
        return self.record.group, self.record.owner

    def add_off(self, began: datetime, ended: datetime) -> None:
        self.off.append(Span(began, ended))
        if len(self.off) > _MOST_SPANS:
            first, second = self.off[:2]
            length = _length(first) + _length(second)
            self.off[:2] = [Span((second.ended or ended) - length, second.ended)]


class ChargedUses:
    """All that is charged, by payer and person."""

    def __init__(
        self,
        ledger: Ledger,
        now: Callable[[], datetime],
        document: QuotaDocument,
        estimate: Callable[[SliceRecord], timedelta],
        stopped_since: Callable[[SliceId], datetime | None],
    ) -> None:
        """``estimate``: how long a slice is thought to be held; ``stopped_since``: of a job's."""
        self._ledger = ledger
        self._now = now
        self._document = document
        self._estimate = estimate
        self._stopped_since = stopped_since
        self._pending: list[OffTime] = []
        self._ended_since: list[tuple[Payer, str, CardUse]] | None = None
        """What ended while the sums are made anew."""
        at = now()
        self._open = {
            record.slice_id: _Open(record, record.created_at, estimate(record))
            for record in ledger.slices.values()
        }
        known = _readable(ledger.held_periods(at - _horizon(document), at))
        self._take_up(known)
        self._sums = _summed(known, document, at)
        ledger.listen(self._ledger_changed)

    def stopped(self, slice_id: SliceId, began: datetime, ended: datetime) -> None:
        """Take a time in which a job stood still, which is over."""
        found = self._open.get(slice_id)
        if found is not None:
            self._note_off(found, began, ended)

    def off_times(self) -> tuple[OffTime, ...]:
        """Return what the ledger has not been told of yet."""
        return tuple(self._pending)

    def told(self, off: tuple[OffTime, ...]) -> None:
        """Forget what the ledger has been told of."""
        del self._pending[: len(off)]

    def now_used(self) -> Callable[[], Mapping[Payer, float]]:
        """Return what adds up all that is charged by now, also in another thread."""
        now, document = self._now(), self._document
        sums = self._sums.copy()
        uses = [(each.payer, each.record, self._use(each, now)) for each in self._open.values()]

        def add_up() -> Mapping[Payer, float]:
            rates = _Rates(document)
            rated = ((payer, rates.at(record.gpu.type, use)) for payer, record, use in uses)
            return sums.with_open(rated, now)

        return add_up

    def is_under(self, document: QuotaDocument) -> bool:
        """Whether the sums hold under a document."""
        before = self._document
        return document is before or (
            document.fair_share.half_life == before.fair_share.half_life
            and document.gpu_types == before.gpu_types
        )

    async def come_under(self, document: QuotaDocument) -> None:
        """Make the sums anew, for another half-life or other rates. ``LedgerReadError``."""
        if self.is_under(document):
            self._document = document
            return
        at, self._ended_since = self._now(), []
        try:
            sums = await asyncio.to_thread(self._read, document, at)
            for payer, model, use in self._ended_since:
                sums.add(payer, _Rates(document).at(model, use), self._now())
            self._sums, self._document = sums, document
        finally:
            self._ended_since = None

    def _read(self, document: QuotaDocument, at: datetime) -> UseSums:
        return _summed(self._ledger.held_periods(at - _horizon(document), at), document, at)

    def _take_up(self, known: Iterable[HeldPeriod]) -> None:
        """Take over what is known of slices that are held."""
        for period in known:
            found = self._open.get(SliceId(period.slice_id))
            if found is not None and period.ended_at is None:
                found.began_at = period.began_at
                # When it was is not kept: it counts as if it had been at first.
                off_until = period.began_at + timedelta(seconds=period.off_s)
                if off_until > period.began_at:
                    found.add_off(period.began_at, off_until)

    def _use(self, held: _Open, now: datetime) -> CardUse:
        """Return what a slice is charged that is held, at the rate 1."""
        off = list(held.off)
        since = self._off_since(held.record)
        if since is not None:
            off.append(Span(max(since, held.began_at), now))
        span = Span(held.began_at)
        return CardUse(_cards(held.record), Fraction(1), span, tuple(off), held.estimate)

    def _off_since(self, record: SliceRecord) -> datetime | None:
        return self._stopped_since(record.slice_id) if record.is_job else record.lent_since

    def _ledger_changed(self, change: Change) -> None:
        now = self._now()
        failed = frozenset(change.failed_with_hardware)
        for slice_id in change.released:
            self._close(slice_id, now, hardware_failed=slice_id in failed)
        for record in change.slices:
            if record.slice_id not in change.released:
                self._take(record, now)

    def _take(self, record: SliceRecord, now: datetime) -> None:
        held = self._open.get(record.slice_id)
        if held is not None and _charged(held.record) == _charged(record):
            before, held.record = held.record, record
            if before.lent_since is not None and record.lent_since is None:
                self._note_off(held, before.lent_since, now)
            return
        self._close(record.slice_id, now)
        began = record.created_at if held is None else now
        self._open[record.slice_id] = _Open(record, began, self._estimate(record))

    def _close(self, slice_id: SliceId, now: datetime, *, hardware_failed: bool = False) -> None:
        held = self._open.pop(slice_id, None)
        if held is None:
            return
        since = self._off_since(held.record)
        if since is not None:
            self._note_off(held, since, now)
        use = CardUse(
            cards=_cards(held.record),
            rate=Fraction(1),
            span=Span(held.began_at, now),
            off=tuple(held.off),
            hardware_failed=hardware_failed,
        )
        model = held.record.gpu.type
        self._sums.add(held.payer, _Rates(self._document).at(model, use), now)
        if self._ended_since is not None:
            self._ended_since.append((held.payer, model, use))

    def _note_off(self, held: _Open, began: datetime, ended: datetime) -> None:
        began = max(began, held.began_at)
        if began < ended:
            held.add_off(began, ended)
            self._pending.append(OffTime(held.record.slice_id, began, ended))


class _Rates:
    """What cards count beside others, by the model's name."""

    def __init__(self, document: QuotaDocument) -> None:
        self._document = document
        self._known: dict[str, Fraction] = {}

    def at(self, model: str, use: CardUse) -> CardUse:
        """Return a use at the rate of its card."""
        if model not in self._known:
            found = self._document.type_of(model)
            self._known[model] = (
                rate_of(self._document, found) if isinstance(found, str) else Fraction(1)
            )
        return replace(use, rate=self._known[model])


def _readable(periods: Iterable[HeldPeriod]) -> tuple[HeldPeriod, ...]:
    """Return what can be read: a service with less of past use is better than none."""
    known: list[HeldPeriod] = []
    try:
        known.extend(periods)
    except LedgerReadError as error:
        _LOG.error("what was used before is not known whole: %s", error)
    return tuple(known)


def _horizon(document: QuotaDocument) -> timedelta:
    return _HALF_LIVES * document.fair_share.half_life


def _length(span: Span) -> timedelta:
    return NO_TIME if span.ended is None else span.ended - span.began


def _charged(record: SliceRecord) -> tuple[object, ...]:
    """Return all by which what a slice is charged differs."""
    gpu = record.gpu
    amount = record.memory_mib, record.compute_milli
    return record.owner, record.group, gpu.gpu_id, gpu.type, *amount


def _cards(record: SliceRecord) -> Fraction:
    gpu = record.gpu
    kind = GpuKind(gpu.type, gpu.memory_mib, gpu.margin_mib)
    return cards_on(GpuAmount(record.memory_mib, record.compute_milli), kind)


def _summed(periods: Iterable[HeldPeriod], document: QuotaDocument, at: datetime) -> UseSums:
    """Return the sums of all that has ended by now."""
    sums, rates = UseSums(document.fair_share.half_life, at), _Rates(document)
    for period in periods:
        if period.ended_at is None or period.ended_at > at or period.hardware_failed:
            continue
        length = period.ended_at - period.began_at
        # When it was off its card within that time is not kept: what is left is its last part.
        off = min(length, timedelta(seconds=period.off_s))
        use = CardUse(period.cards, Fraction(1), Span(period.began_at + off, period.ended_at))
        group = None if period.group is None else GroupName(period.group)
        payer = group, UserName(period.owner)
        sums.add(payer, rates.at(period.gpu_type or "", use), at)
    return sums
