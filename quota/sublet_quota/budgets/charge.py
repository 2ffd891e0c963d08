"""What the time costs for which cards were held.

Held time is of four kinds. *Used*: a GPU computed for the slice. *Lent*: others had the idle
slice's room, or its compute, be it suspended for them or not. *Suspended*: it was off its card, and
not lent. *Idle*: all else. So held is always the sum of the four, and what is used adds up to what
the cards' meters say.

Entitled time costs 1, borrowed and lent time the budget's ``lent_rate``, suspended time nothing;
all of it times the type's ``rate``. What guests paid for lent room is credited to its owner, and no
more; nor more than that time costs the owner, so that nobody gains hours by holding what they leave
idle. Amounts are exact integers: card-microseconds, one card for a millionth of a second.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Final

US_PER_S: Final = 1_000_000
US_PER_HOUR: Final = 3600 * US_PER_S


class HeldKind(StrEnum):
    """What became of a card's time while somebody held it."""

    USED = "used"
    IDLE = "idle"
    LENT = "lent"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class HeldTime:
    """Time of one kind, and by which right it was held."""

    kind: HeldKind
    entitled: bool
    held_us: int
    """Microseconds, whatever the size of the slice."""
    card_us: int
    """Card-microseconds."""
    paid_us: int = 0
    """Card-microseconds that guests paid for in its room, at the rate that they pay."""

    def plus(self, other: "HeldTime") -> "HeldTime":
        """Return the time of both, of this one's kind."""
        return replace(
            self,
            held_us=self.held_us + other.held_us,
            card_us=self.card_us + other.card_us,
            paid_us=self.paid_us + other.paid_us,
        )


@dataclass(frozen=True, slots=True)
class Charge:
    """What is charged, and what of it is credited, in hours times the type's rate."""

    charged: Fraction = Fraction(0)
    credited: Fraction = Fraction(0)

    @property
    def spent(self) -> Fraction:
        """What is spent of a budget: never less than nothing."""
        return self.charged - self.credited

    def __add__(self, other: "Charge") -> "Charge":
        """Return both together."""
        return Charge(self.charged + other.charged, self.credited + other.credited)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time of one slice, as its agent saw it."""

    length_us: int
    busy_us: int
    """For how long a GPU computed for the slice; what is more than the stretch is cut off."""
    cards: Fraction
    entitled: bool
    suspended: bool = False
    lent: bool = False
    paid: Fraction = Fraction(0)
    """Cards in its room that guests pay for, at the rate that they pay."""


def price(kind: HeldKind, lent_rate: Fraction, *, entitled: bool) -> Fraction:
    """Return what an hour on a card of rate 1 costs."""
    match kind:
        case HeldKind.SUSPENDED:
            return Fraction(0)
        case HeldKind.LENT:
            return lent_rate
        case HeldKind.USED | HeldKind.IDLE:
            return Fraction(1) if entitled else lent_rate


def charge_of(times: Iterable[HeldTime], rate: Fraction, lent_rate: Fraction) -> Charge:
    """Return what held times on cards of one type cost in a budget with this ``lent_rate``."""
    charged, lent, paid_us = Fraction(0), Fraction(0), 0
    for time in times:
        cost = time.card_us * price(time.kind, lent_rate, entitled=time.entitled)
        charged += cost
        if time.kind is HeldKind.LENT:
            lent += cost
            paid_us += time.paid_us
    return Charge(charged * rate / US_PER_HOUR, min(lent, Fraction(paid_us)) * rate / US_PER_HOUR)


def times_of(stretch: Stretch) -> tuple[HeldTime, ...]:
    """Return a stretch as times of each kind, none of them empty.

    Whatever the slice's state at its end: for as long as a GPU computed it was used.
    """
    used_us = min(stretch.busy_us, stretch.length_us)
    rest_us = stretch.length_us - used_us
    whole_card_us = _times(stretch.length_us, stretch.cards)
    used_card_us = _times(used_us, stretch.cards)
    rest = HeldTime(_kind_of_rest(stretch), stretch.entitled, rest_us, whole_card_us - used_card_us)
    if rest.kind is HeldKind.LENT:
        rest = replace(rest, paid_us=rest_us * stretch.paid.numerator // stretch.paid.denominator)
    used = HeldTime(HeldKind.USED, stretch.entitled, used_us, used_card_us)
    return tuple(time for time in (used, rest) if time.held_us)


def _kind_of_rest(stretch: Stretch) -> HeldKind:
    if stretch.lent:
        return HeldKind.LENT
    return HeldKind.SUSPENDED if stretch.suspended else HeldKind.IDLE


def _times(time_us: int, cards: Fraction) -> int:
    """Return a time on a part of a card in card-microseconds, the nearest whole one."""
    return (2 * time_us * cards.numerator + cards.denominator) // (2 * cards.denominator)
