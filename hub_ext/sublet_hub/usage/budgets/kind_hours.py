"""From what budgets count to hours of each kind, by owner, group, type and time. Pure.

What guests paid is set against what lent time cost hour by hour, as budgets do it: so what is
charged and credited here is what the nearest budget of whoever paid says.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final

from sublet_quota.budgets.charge import US_PER_HOUR, Charge, HeldKind, HeldTime, charge_of
from sublet_quota.budgets.spending import ChargedHour, rate_of_model
from sublet_quota.document.lookups.group_budgets import budgets_above
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.card_policy import counted_type
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.wire.use import KindHours, UseKey

from sublet_hub.usage.buckets import TIME_KEYS, label_of
from sublet_hub.usage.held_hours import TooManySumsError

KNOWN_BY: Final = (UseKey.OWNER, UseKey.GROUP, UseKey.TYPE, *TIME_KEYS)
"""By what the hours of each kind are stored."""
_DIGITS: Final = 6

_Holder = tuple[GroupName | None, UserName, str]


@dataclass(slots=True)
class KindSums:
    """A sum of held time, in card-microseconds, and what budgets say of it."""

    card_us: defaultdict[HeldKind, int] = field(default_factory=lambda: defaultdict(int))
    borrowed_us: int = 0
    charge: Charge = field(default_factory=Charge)

    def add(self, times: Iterable[HeldTime], charge: Charge) -> None:
        """Add what one holder held in an hour."""
        for time in times:
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


def kind_hours(
    parts: Iterable[ChargedHour],
    document: QuotaDocument,
    by: Sequence[UseKey],
    most: int,
    zone: tzinfo = UTC,
) -> dict[tuple[str, ...], KindSums]:
    """Return the hours of each kind by the values of ``by``, which are of ``KNOWN_BY``.

    ``parts`` come in the order of their hours, each of which counts whole where it begins in
    ``zone``. ``TooManySumsError`` beyond ``most`` sums.
    """
    sums: defaultdict[tuple[str, ...], KindSums] = defaultdict(KindSums)
    prices = _Prices(document)
    for hour, holder, times in _by_holder(parts):
        payer, owner, model = holder
        values = {
            UseKey.OWNER: owner,
            UseKey.GROUP: payer or "",
            UseKey.TYPE: prices.type_of(model),
            **{key: label_of(key, hour, zone) for key in TIME_KEYS if key in by},
        }
        sums[tuple(values[key] for key in by)].add(times, prices.charge(payer, model, times))
        if len(sums) > most:
            raise TooManySumsError
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

    def charge(self, payer: GroupName | None, model: str, times: Iterable[HeldTime]) -> Charge:
        budgets = budgets_above(self._document, payer)
        if not budgets:
            return Charge()
        return charge_of(times, rate_of_model(self._document, model), budgets[0].lent_rate)


def _by_holder(
    parts: Iterable[ChargedHour],
) -> Iterator[tuple[datetime, _Holder, list[HeldTime]]]:
    """Yield each holder's times of an hour together, one hour at a time."""
    now: datetime | None = None
    of_hour: defaultdict[_Holder, list[HeldTime]] = defaultdict(list)
    for part in parts:
        if now is not None and part.hour != now:
            yield from ((now, *each) for each in of_hour.items())
            of_hour.clear()
        now = part.hour
        of_hour[part.payer, part.owner, part.model].append(part.time)
    if now is not None:
        yield from ((now, *each) for each in of_hour.items())


def _hours(card_us: int) -> float:
    return round(card_us / US_PER_HOUR, _DIGITS)
