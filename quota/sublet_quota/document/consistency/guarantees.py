"""Guarantees that contradict limits, or the guarantees of the groups above.

A document is looked at as it is in force at each moment at which its exceptions change something,
so that nothing that ends by itself leaves a contradiction behind.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.lookups.moments import State, in_force
from sublet_quota.document.lookups.reservations import (
    LeftOut,
    sets_that_overlap,
    with_reservations,
)
from sublet_quota.document.problems import Contradiction, KeyPath, written_path
from sublet_quota.document.sections import GroupQuota, Reservation
from sublet_quota.document.value_kinds.amount_limit import AmountLimit
from sublet_quota.document.value_kinds.cards import write_cards
from sublet_quota.document.values import Unlimited

if TYPE_CHECKING:
    from sublet_quota.document.quota_document import QuotaDocument

_CARDS: Final = "cards"


def ends_of_groups(document: "QuotaDocument") -> tuple[datetime | None, ...]:
    """Return the ends of exceptions that change what groups are guaranteed or limited to.

    ``None`` comes first: nothing has ended.
    """
    found = {
        each.until
        for each in document.exceptions
        if each.groups
        and each.until is not None
        and (each.set_.guaranteed or each.set_.limit != AmountLimit())
    }
    return (None, *sorted(found))


def _is_over(reservation: Reservation, ended: datetime | None) -> bool:
    last = reservation.at.day or reservation.until
    return ended is not None and last is not None and last < ended.date() - timedelta(days=1)


def guarantees_that_do_not_fit(document: "QuotaDocument") -> Iterator[Contradiction]:
    """Yield each guarantee above a limit, and each group that guarantees less than those in it."""
    told: set[Contradiction] = set()
    together = sorted(map(sorted, sets_that_overlap(document.reservations)))
    for ended in ends_of_groups(document):
        each = document.with_parts(in_force(document, State(ended, frozenset())))
        found = [*_in_all(each), *_reservations_above(document, each, ended, together)]
        yield from dict.fromkeys(problem for problem in found if problem not in told)
        told.update(found)


def _reservations_above(
    document: "QuotaDocument",
    in_force_then: "QuotaDocument",
    ended: datetime | None,
    together: Iterable[Sequence[int]],
) -> Iterator[Contradiction]:
    """Yield the reservations that do not fit below limits, of those that may be on together."""
    entries = document.reservations
    paths = document.group_paths.paths
    left = {place for place, each in enumerate(entries) if not _is_over(each, ended)}
    for places in dict.fromkeys(tuple(left.intersection(each)) for each in together):
        reserved = with_reservations(
            in_force_then.groups, paths, [(place, entries[place]) for place in places]
        )
        for out in reserved.left_out:
            yield _above_with(in_force_then, entries[out.place], out)


def _in_all(document: "QuotaDocument") -> Iterator[Contradiction]:
    for name, group in document.groups.items():
        yield from _in(document, (name,), group, ())


class _Bound(NamedTuple):
    """The limits of a group above, or of the group itself."""

    path: KeyPath
    cards: Fraction | None
    types: Mapping[str, Fraction | Unlimited]


def _in(
    document: "QuotaDocument",
    path: tuple[str, ...],
    group: GroupQuota,
    above: tuple[_Bound, ...],
) -> Iterator[Contradiction]:
    where = key_path(path)
    cards = group.limit.cards
    bounds = (
        *above,
        _Bound(
            (*where, "limit"), None if isinstance(cards, Unlimited) else cards, group.limit.types
        ),
    )
    yield from _above_limits(document, where, group, bounds)
    yield from _less_than_below(document, where, group)
    for name, below in group.groups.items():
        yield from _in(document, (*path, name), below, bounds)


def _above_limits(
    document: "QuotaDocument", where: KeyPath, group: GroupQuota, bounds: tuple[_Bound, ...]
) -> Iterator[Contradiction]:
    for bound in bounds:
        for gpu_type, sure in group.guaranteed.items():
            most = bound.types.get(gpu_type)
            if most is not None and not isinstance(most, Unlimited) and sure > most:
                limit = (*bound.path, gpu_type)
                yield _above(document, (*where, "guaranteed", gpu_type), sure, most, limit)
        total = sum(group.guaranteed.values(), Fraction(0))
        if bound.cards is not None and total > bound.cards:
            limit = (*bound.path, _CARDS)
            yield _above(document, (*where, "guaranteed"), total, bound.cards, limit)


def _above(
    document: "QuotaDocument", path: KeyPath, sure: Fraction, most: Fraction, limit: KeyPath
) -> Contradiction:
    said = f"{written_path(document.origin_of(limit))}{_in_line(document, limit)}"
    return Contradiction(
        document.origin_of(path),
        f"guarantees {_in_cards(sure)}, above the limit of {write_cards(most)} that {said} "
        "says: write no more than the limit, or raise the limit",
    )


def _above_with(
    document: "QuotaDocument", reservation: Reservation, left: LeftOut
) -> Contradiction:
    limit = f"{written_path(document.origin_of(left.limit))}{_in_line(document, left.limit)}"
    return Contradiction(
        ("reservations", left.place),
        f"'{reservation.name}' would guarantee {_in_cards(left.guaranteed)} in all, above the "
        f"limit of {write_cards(left.most)} that {limit} says: reserve less, or raise the limit",
    )


def _less_than_below(
    document: "QuotaDocument", where: KeyPath, group: GroupQuota
) -> Iterator[Contradiction]:
    types = {name for below in group.groups.values() for name in below.guaranteed}
    for gpu_type in sorted(types):
        parts = {
            name: below.guaranteed[gpu_type]
            for name, below in group.groups.items()
            if below.guaranteed.get(gpu_type)
        }
        total, has = sum(parts.values(), Fraction(0)), group.guaranteed.get(gpu_type, Fraction(0))
        if total <= has:
            continue
        listed = []
        for name in sorted(parts):
            path = (*where, "groups", name, "guaranteed", gpu_type)
            listed.append(f"{name} {write_cards(parts[name])}{_in_line(document, path)}")
        path = (*where, "guaranteed", gpu_type)
        yield Contradiction(
            document.origin_of(path),
            f"guarantees {_in_cards(has)}, less than the groups in it together: "
            f"{write_cards(total)} ({', '.join(listed)}). Write {write_cards(total)} or more, or "
            "less for them",
        )


def _in_cards(amount: Fraction) -> str:
    return "1 card" if amount == 1 else f"{write_cards(amount)} cards"


def _in_line(document: "QuotaDocument", path: KeyPath) -> str:
    line = document.line_of(path)
    return "" if line is None else f" in line {line}"
