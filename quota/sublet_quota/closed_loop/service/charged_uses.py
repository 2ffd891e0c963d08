"""What everybody is charged in a simulation, added up as the service adds it up.

Time on a card, less what was lent, paused or suspended; an estimate until it has ended. Once a
minute at most, as in production, it is looked at anew, and lag beyond ``most_lag`` is written off.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.card_policy import rate_of
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.turns.past_uses import (
    NO_PAST_USE,
    LagWrittenOff,
    PastUse,
    Payer,
    UsedBy,
    UseSums,
    full_use_of,
    lags_of,
    less_lags,
    past_use_of,
)
from sublet_quota.names.ids import SliceId
from sublet_quota.shares.past_use import NO_TIME, CardUse, Span

_KEPT: Final = timedelta(minutes=1)
_MOST_SPANS: Final = 32


@dataclass(frozen=True, slots=True)
class Charge:
    """What a slice is charged, to whom, and since when."""

    payer: Payer
    gpu_type: str
    cards: Fraction
    began: datetime
    estimate: timedelta
    """How long it is thought to last."""


@dataclass(slots=True)
class _Open:
    charge: Charge
    off: list[Span] = field(default_factory=list)


class ChargedUses:
    """All that is charged, by payer and person."""

    def __init__(self, half_life: timedelta, now: datetime) -> None:
        self._sums = UseSums(half_life, now)
        self._open: dict[SliceId, _Open] = {}
        self._stood: dict[SliceId, timedelta] = {}
        self._written_off: dict[tuple[object, object], LagWrittenOff] = {}
        self._looked_at: datetime | None = None
        self._looked_under: QuotaDocument | None = None
        self._past = NO_PAST_USE

    def begin(self, slice_id: SliceId, charge: Charge) -> None:
        """Charge a slice from now on."""
        self._open[slice_id] = _Open(charge)
        self._looked_at = None

    def estimate_of(self, slice_id: SliceId) -> timedelta:
        """Return how long a slice that is charged is thought to last."""
        return self._open[slice_id].charge.estimate

    def end(self, slice_id: SliceId, holdings: Holdings, now: datetime) -> None:
        """Charge a slice no longer, and for what it was."""
        held = self._open.pop(slice_id)
        self._sums.add(held.charge.payer, _use(held, holdings, now), now)
        self._looked_at = None

    def stood(self, slice_id: SliceId) -> timedelta:
        """Return for how long a slice was off in all that is over, whoever paid."""
        return self._stood.get(slice_id, NO_TIME)

    def forget(self, slice_id: SliceId) -> None:
        """Forget for how long a slice was off that has left."""
        self._stood.pop(slice_id, None)

    def is_off(self, slice_id: SliceId, off: Span) -> None:
        """Note a time for which a slice is not charged."""
        held = self._open[slice_id]
        if off.ended is not None:
            self._stood[slice_id] = self.stood(slice_id) + (off.ended - off.began)
        held.off.append(off)
        if len(held.off) > _MOST_SPANS:
            # The oldest are put together, as the service does.
            first, second = held.off[:2]
            length = sum(
                ((each.ended or each.began) - each.began for each in (first, second)), NO_TIME
            )
            last = second.ended or second.began
            held.off[:2] = [Span(last - length, last)]

    def past(
        self,
        holdings: Holdings,
        asking: Callable[[], Collection[UsedBy]],
        off_since: Mapping[SliceId, datetime],
        now: datetime,
    ) -> PastUse:
        """Return what everybody used. ``asking``: who waits; ``off_since``: who is off now."""
        is_kept = self._looked_at is not None and now - self._looked_at < _KEPT
        if is_kept and self._looked_under is holdings.document:
            return self._past
        self._looked_at, self._looked_under = now, holdings.document
        settings, tree = holdings.document.fair_share, holdings.groups
        lasting = [
            (held.charge.payer, _use(held, holdings, None, off_since.get(slice_id), now))
            for slice_id, held in self._open.items()
        ]
        sums = self._sums.with_open(lasting, now)
        past = past_use_of(tree, sums, self._written_off.values(), now, settings.half_life)
        cards = sum(
            holdings.cards(name) * rate_of(holdings.document, name) for name in holdings.types()
        )
        lags = lags_of(tree, past, asking(), full_use_of(settings, float(cards)), now)
        for lag in lags:
            before = self._written_off.get((lag.node, lag.owner))
            worth = 0.0 if before is None else before.worth(now, settings.half_life)
            self._written_off[lag.node, lag.owner] = replace(lag, amount=lag.amount + worth)
        self._past = less_lags(past, lags)
        return self._past


def _use(
    held: _Open,
    holdings: Holdings,
    ended: datetime | None,
    off_since: datetime | None = None,
    now: datetime | None = None,
) -> CardUse:
    off = tuple(held.off)
    if off_since is not None and now is not None:
        off = (*off, Span(max(off_since, held.charge.began), now))
    return CardUse(
        cards=held.charge.cards,
        rate=rate_of(holdings.document, held.charge.gpu_type),
        span=Span(held.charge.began, ended),
        off=off,
        estimate=held.charge.estimate,
    )
