"""Who would pay for a notebook in line, on which types, and how it would stand.

What one person may have has no part in it: it decides whether the notebook gets its place, never
when it is its turn. So all that differ in their owner alone are looked up once, but for those whose
own hours are over somewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.slice_admission import Option, admit, tried_in_order
from sublet_quota.admission.slice_request import RequestedSlice, choose_payers, read_wish
from sublet_quota.document.right_values import Rights
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.server_queue.queued_server import QueuedServer


@dataclass(frozen=True, slots=True)
class Payer:
    """Who would pay for a notebook, and for how much of a card of each type."""

    group: GroupName | None
    cards: dict[str, Fraction]
    """By GPU type, in the order in which they are tried."""

    @property
    def first(self) -> tuple[str, Fraction] | None:
        """The type that is tried first, and what of a card; ``None``: no card is there."""
        return next(iter(self.cards.items()), None)


class Payers:
    """Looks up who would pay, once for equal wishes."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._known: dict[RequestedSlice, Payer] = {}

    def of(self, server: QueuedServer) -> Payer:
        """Return who would pay for a notebook."""
        key = self._alike(server.wish)
        if key not in self._known:
            self._known[key] = self._found(key)
        return self._known[key]

    def _alike(self, wish: RequestedSlice) -> RequestedSlice:
        """Return the wish as all have it who are asked for alike: of a lot what decides for them.

        That is the remainder by any number of payers that may be left.
        """
        payers = len(self._holdings.document.groups_of(wish.groups))
        lot = wish.lot % lcm(*range(1, payers + 1))
        return replace(without_owner(self._holdings, wish), lot=lot)

    def _found(self, wish: RequestedSlice) -> Payer:
        admission = admit(self._holdings, wish)
        holdings, every = self._holdings, admission.within_rights
        within = tried_in_order(holdings, _within_first(every), wish.lot)
        options = within or tried_in_order(holdings, every, wish.lot)
        if not options:
            return Payer(_without_cards(holdings, admission.rights, wish), {})
        cards: dict[str, Fraction] = {}
        for option in options:
            if option.group == options[0].group:
                cards.setdefault(option.asked.gpu_type, option.asked.cards)
        return Payer(options[0].group, cards)


def _without_cards(holdings: Holdings, rights: Rights, wish: RequestedSlice) -> GroupName | None:
    """Return who would pay where no card is there or open: of those who may, one by lot."""
    payers = choose_payers(rights, wish.group)
    may_pay = [
        payer.group
        for payer in (() if isinstance(payers, Denial) else payers)
        if not isinstance(read_wish(holdings.document, rights, payer, wish), Denial)
    ]
    drawn = sorted(may_pay or rights.groups, key=lambda name: holdings.lot(name or ""))
    return drawn[wish.lot % len(drawn)] if drawn else None


def _within_first(options: Iterable[Option]) -> tuple[Option, ...]:
    """Return those that no limit of a group refuses."""
    return tuple(one for one in options if one.least is None or one.least.allows)


def without_owner(holdings: Holdings, wish: RequestedSlice) -> RequestedSlice:
    """Return the wish as all have it whom the document gives the same rights, and hours are left.

    That is what would pay for them; what they hold already has no part in it.
    """
    document, owner = holdings.document, UserName(wish.owner)
    paths = map(document.path_of, document.groups_of(wish.groups))
    is_own = document.exceptions_for(owner) or any(
        holdings.spent.is_own_over(path, owner) for path in paths
    )
    return replace(wish, owner=wish.owner if is_own else "", lot=0, before=None)
