"""From what budgets count to hours of each kind, by owner, group, type and time. Pure.

What guests paid is set against what lent time cost hour by hour, as budgets do it: so what is
charged and credited here is what the nearest budget of whoever paid says.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Final

from sublet_quota.budgets.charge import US_PER_HOUR, Charge, HeldKind, HeldTime, charge_of
from sublet_quota.budgets.spending import ChargedHour, rate_of_model
from sublet_quota.document.lookups.group_budgets import budgets_above
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.card_policy import counted_type
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.wire.use import KindHours, UseKey

from sublet_hub.ledger.charged_sums import LentHour
from sublet_hub.usage.buckets import TIME_KEYS, label_of
from sublet_hub.usage.held_hours import TooManySumsError

KNOWN_BY: Final = (UseKey.OWNER, UseKey.GROUP, UseKey.TYPE, *TIME_KEYS)
"""By what the hours of each kind are stored."""
_DIGITS: Final = 6


@dataclass(slots=True)
class KindSums:
    """A sum of held time, in card-microseconds, and what budgets say of it."""

    card_us: defaultdict[HeldKind, int] = field(default_factory=lambda: defaultdict(int))
    borrowed_us: int = 0
    charge: Charge = field(default_factory=Charge)

    def add(self, time: HeldTime, charge: Charge) -> None:
        """Add what was held of one kind."""
        self.card_us[time.kind] += time.card_us
        self.borrowed_us += 0 if time.entitled else time.card_us
        self.charge += charge

    def hours(self) -> KindHours:
        """Return the sum in hours; what is held is the sum of its kinds also as it is rounded."""
        kinds = {kind.value: _hours(self.card_us[kind]) for kind in HeldKind}
        return KindHours(
            held=round(sum(kinds.values()), _DIGITS),
            borrowed=_hours(self.borrowed_us),
            charged=round(float(self.charge.charged), _DIGITS),
            credited=round(float(self.charge.credited), _DIGITS),
            **kinds,
        )


@dataclass(frozen=True, slots=True)
class SumsAsked:
    """By what hours are added up."""

    by: Sequence[UseKey]
    """Of ``KNOWN_BY``."""
    most: int
    """How many sums whoever asks takes."""
    zone: tzinfo = UTC
    """Whose hours, days and weeks are meant."""


def kind_hours(
    parts: Iterable[ChargedHour],
    lent: Iterable[tuple[datetime, LentHour]],
    document: QuotaDocument,
    asked: SumsAsked,
) -> dict[tuple[str, ...], KindSums]:
    """Return the hours of each kind by the values of ``asked.by``.

    ``parts`` may be sums of several hours or owners by which nobody asks. ``lent``: each holder's
    hour for which guests paid, with a moment of the time that it counts for. Each counts whole
    where it begins in ``asked.zone``. ``TooManySumsError`` beyond ``asked.most`` sums.
    """
    sums: defaultdict[tuple[str, ...], KindSums] = defaultdict(KindSums)
    prices = _Prices(document)

    def sum_of(at: datetime, payer: GroupName | None, owner: UserName, model: str) -> KindSums:
        values = {
            UseKey.OWNER: owner,
            UseKey.GROUP: payer or "",
            UseKey.TYPE: prices.type_of(model),
            **{key: label_of(key, at, asked.zone) for key in TIME_KEYS if key in asked.by},
        }
        found = sums[tuple(values[key] for key in asked.by)]
        if len(sums) > asked.most:
            raise TooManySumsError
        return found

    for part in parts:
        # What guests paid counts with the whole hour, and no more than that cost.
        time = replace(part.time, paid_us=0)
        charge = prices.charge(part.payer, part.model, time)
        sum_of(part.hour, part.payer, part.owner, part.model).add(time, charge)
    for at, hour in lent:
        paid = HeldTime(HeldKind.LENT, True, 0, hour.card_us, hour.paid_us)
        credited = prices.charge(hour.payer, hour.model, paid).credited
        found = sum_of(at, hour.payer, hour.owner, hour.model)
        found.charge += Charge(credited=credited)
    return dict(sums)


class _Prices:
    """What time costs whom, looked up once each."""

    def __init__(self, document: QuotaDocument) -> None:
        self._document = document
        self._types: dict[str, str] = {}

    def type_of(self, model: str) -> str:
        if model not in self._types:
            self._types[model] = counted_type(self._document, model)
        return self._types[model]

    def charge(self, payer: GroupName | None, model: str, time: HeldTime) -> Charge:
        budgets = budgets_above(self._document, payer)
        if not budgets:
            return Charge()
        return charge_of((time,), rate_of_model(self._document, model), budgets[0].lent_rate)


def _hours(card_us: int) -> float:
    return round(card_us / US_PER_HOUR, _DIGITS)
