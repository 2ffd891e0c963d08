"""What guests pay for the room that idle slices lend them.

A guest pays for its part of the card, at the rate of the nearest budget of its group's; one in the
room of several owners pays each by the size of theirs.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from sublet_quota.budgets.spending import paying_rate
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName, SliceId


@dataclass(frozen=True, slots=True)
class Guest:
    """A job that runs in the room of idle slices."""

    cards: Fraction
    payer: GroupName | None
    lenders: Mapping[SliceId, Fraction]
    """Those in whose room it is, with which part of the card each holds."""


def paid_for_room(document: QuotaDocument, guests: Iterable[Guest]) -> Mapping[SliceId, Fraction]:
    """Return for which part of a card guests pay in the room of each slice."""
    paid: defaultdict[SliceId, Fraction] = defaultdict(Fraction)
    for guest in guests:
        pays = guest.cards * paying_rate(document, guest.payer)
        room = sum(guest.lenders.values(), Fraction(0))
        for slice_id, cards in guest.lenders.items():
            paid[slice_id] += pays * cards / room
    return paid
