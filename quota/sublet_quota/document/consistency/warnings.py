"""What of a quota document is read, and still may not be meant."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import chain
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_compute
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.lookups.reservations import next_time_of
from sublet_quota.document.problems import KeyPath, written_path
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import Choice, SliceSize
from sublet_quota.document.value_kinds.cards import write_cards
from sublet_quota.document.values import UNLIMITED
from sublet_quota.names.ids import GroupName, SizeName
from sublet_quota.reasons.moments import moment_words

_DAYS_OF_A_YEAR: Final = 366


@dataclass(frozen=True, slots=True)
class DocumentWarning:
    """A thing in a document that somebody should look at, and where."""

    path: KeyPath
    """Empty: the document as a whole."""
    line: int | None
    """``None``: it was not read from text, or no line of it says that."""
    words: str

    def __str__(self) -> str:
        """Return it for people: ``line 7: groups.lab.guaranteed.H100: is ...``."""
        line = "" if self.line is None else f"line {self.line}: "
        where = f"{written_path(self.path)}: " if self.path else ""
        return f"{line}{where}{self.words}"


def document_warnings(document: QuotaDocument) -> tuple[DocumentWarning, ...]:
    """Return the warnings about a document, as it is in force where it was made by ``at``."""
    return _warnings(
        document,
        (
            *_more_than_expected(document),
            *_types_in_no_pool(document),
            *_sizes_for_others(document),
            *_without_an_end(document),
            *_sooner_than_idle(document),
            *_sizes_beyond_caps(document),
        ),
    )


def warnings_of_times(document: QuotaDocument, now: datetime) -> tuple[DocumentWarning, ...]:
    """Return the warnings about what a document, as it was read, says of other times.

    They are for who writes it: one that is in force for long has much that is over.
    """
    return _warnings(
        document,
        (
            *_over(document, now),
            *_reserved_beyond_expected(document, now),
            *_left_out_by_clocks(document, now),
        ),
    )


def _warnings(
    document: QuotaDocument, found: Iterable[tuple[KeyPath, str]]
) -> tuple[DocumentWarning, ...]:
    return tuple(
        DocumentWarning(document.origin_of(path), document.line_of(path), words)
        for path, words in found
    )


def _over(document: QuotaDocument, now: datetime) -> Iterator[tuple[KeyPath, str]]:
    ends = chain(
        ((("exceptions", at), each.until) for at, each in enumerate(document.exceptions)),
        ((("closed", at), each.until) for at, each in enumerate(document.closed)),
    )
    for path, until in ends:
        if until is not None and until <= now:
            ended = moment_words(until)
            yield path, f"is over since {ended}: it does nothing, and can be left out"
    for at, reservation in enumerate(document.reservations):
        if next_time_of(reservation, now) is None:
            words = (
                f"'{reservation.name}' has no time to come: it does nothing, and can be left out"
            )
            yield ("reservations", at), words


def _reserved_beyond_expected(
    document: QuotaDocument, now: datetime
) -> Iterator[tuple[KeyPath, str]]:
    for at, reservation in enumerate(document.reservations):
        if next_time_of(reservation, now) is None:
            continue
        for gpu_type, cards in sorted(reservation.guaranteed.items()):
            described = document.gpu_types.get(gpu_type)
            always = sum(
                (group.guaranteed.get(gpu_type, Fraction(0)) for group in document.groups.values()),
                Fraction(0),
            )
            if described is None or described.expect is None or always > described.expect:
                continue
            if always + cards > described.expect:
                yield (
                    ("reservations", at, "guaranteed", gpu_type),
                    (
                        f"reserves {write_cards(cards)} beside {write_cards(always)} that are "
                        f"always guaranteed, and {described.expect} are expected: whole cards in "
                        "proportion will be in force then"
                    ),
                )


def _left_out_by_clocks(document: QuotaDocument, now: datetime) -> Iterator[tuple[KeyPath, str]]:
    for place, each in enumerate(document.reservations):
        found = next(each.at.skipped(now, each.zone, _DAYS_OF_A_YEAR), None)
        if found is None:
            continue
        (begin, end), left_out = found
        first = begin.astimezone(each.zone)
        if each.until is None or first.date() <= each.until:
            last = end.astimezone(each.zone)
            yield (
                ("reservations", place, "at"),
                (
                    f"clocks in {each.zone} leave out {left_out}: '{each.name}' begins then at "
                    f"{first:%H:%M} and ends at {last:%H:%M}"
                ),
            )


def _more_than_expected(document: QuotaDocument) -> Iterator[tuple[KeyPath, str]]:
    for gpu_type, described in sorted(document.gpu_types.items()):
        parts = {
            name: group.guaranteed[gpu_type]
            for name, group in document.groups.items()
            if group.guaranteed.get(gpu_type)
        }
        total = sum(parts.values(), Fraction(0))
        if described.expect is None or total <= described.expect:
            continue
        listed = ", ".join(f"{name} {write_cards(parts[name])}" for name in sorted(parts))
        yield (
            ("gpu_types", gpu_type, "expect"),
            (
                f"expects {described.expect} cards, and {write_cards(total)} are guaranteed "
                f"({listed}): whole cards in proportion will be in force"
            ),
        )


def _types_in_no_pool(document: QuotaDocument) -> Iterator[tuple[KeyPath, str]]:
    pools = document.pools.values()
    if any(pool.types is None for pool in pools):
        return
    named = {name for pool in pools for name in pool.types or ()}
    for gpu_type in sorted(document.gpu_types.keys() - named):
        yield (
            ("gpu_types", gpu_type),
            (
                "is a type that no pool has: its cards take nothing. Name it in a pool's `types`, "
                "or make a pool without `types`, `nodes` and `ids`, which has all the rest"
            ),
        )


def _sizes_for_others(document: QuotaDocument) -> Iterator[tuple[KeyPath, str]]:
    yield from _closed_sizes(("everyone",), document.everyone, document.sizes, ())
    # Of thousands of groups few say anything of this, and paths take long to write.
    for name in (name for name, group in document.all_groups.items() if group.sizes):
        path, group = document.path_of(name), document.all_groups[name]
        yield from _closed_sizes(key_path(path), group, document.sizes, path)


def _closed_sizes(
    where: KeyPath,
    choice: Choice,
    sizes: Mapping[str, SliceSize],
    path: tuple[GroupName, ...],
) -> Iterator[tuple[KeyPath, str]]:
    for place, name in enumerate(choice.sizes or ()):
        named_for = sizes[name].for_
        if named_for is not None and frozenset(named_for).isdisjoint(path):
            groups = ", ".join(named_for) or "no group"
            yield (
                (*where, "sizes", place),
                f"names '{name}', which is `for` {groups} alone: it cannot be picked here",
            )


def _without_an_end(document: QuotaDocument) -> Iterator[tuple[KeyPath, str]]:
    for place, exception in enumerate(document.exceptions):
        if exception.until is None:
            yield (
                ("exceptions", place),
                f"has no end ('{exception.why}'): write `until`, or make it a rule of a group",
            )


def _sooner_than_idle(document: QuotaDocument) -> Iterator[tuple[KeyPath, str]]:
    """Go through the times in which no server can be idle: a pool calls it so only later."""
    said = [
        (("everyone", "max_idle"), document.everyone.max_idle),
        *(
            ((*key_path(document.path_of(name)), "each", "max_idle"), group.each.max_idle)
            for name, group in document.all_groups.items()
            if group.each.max_idle is not None
        ),
    ]
    for path, max_idle in said:
        if max_idle is None or max_idle is UNLIMITED:
            continue
        slow = sorted(n for n, pool in document.pools.items() if pool.idle_after > max_idle)
        if slow:
            yield (
                path,
                (
                    f"is shorter than `idle_after` of the pool {', '.join(slow)}: a server there "
                    "is idle no sooner"
                ),
            )


def _sizes_beyond_caps(document: QuotaDocument) -> Iterator[tuple[KeyPath, str]]:
    """Go through the sizes that a pool's cap on compute does not bound: a share is never cut.

    Of the sizes that there are where none are written nobody is warned.
    """
    for name, size in document.sizes.items() if "sizes" in document.model_fields_set else ():
        pool = document.pool_of_size(SizeName(name))
        most = document.pools[pool].max_compute
        if most is not None and size.compute > most:
            yield (
                ("sizes", name, "compute"),
                (
                    f"is more than `max_compute` of the pool {pool} ({format_compute(most)}): a "
                    f"slice of this size has up to its own share, {format_compute(size.compute)}"
                ),
            )
