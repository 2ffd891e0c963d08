"""Refusals by group: those of its direct members, by the hub's groups that they had then. Pure.

Who is a direct member of several groups counts in each of them; who is in none, in ``""``.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from sublet_quota.document.quota_document import QuotaDocument

from sublet_hub.ledger.refusals import AskerSum, CodeSum


@dataclass(frozen=True, slots=True)
class GroupSum:
    """How often one code was told to members of a group."""

    group: str
    sum: CodeSum


def of_groups(
    asked: Iterable[AskerSum], document: QuotaDocument, groups: Collection[str] | None
) -> tuple[CodeSum, ...]:
    """Return what was told to members of some groups together, the most frequent code first.

    ``groups``: ``None`` for all. Who is in several of them counts once.
    """
    told = [
        each
        for each in asked
        if groups is None or any(name in groups for name in _groups_of(each, document))
    ]
    return _sums(told)


def by_group(
    asked: Iterable[AskerSum], document: QuotaDocument, groups: Collection[str] | None
) -> tuple[GroupSum, ...]:
    """Return what was told to members of each of some groups, by name; ``None``: of all."""
    found: defaultdict[str, list[AskerSum]] = defaultdict(list)
    for each in asked:
        for name in _groups_of(each, document):
            if groups is None or name in groups:
                found[name].append(each)
    order = sorted(found, key=lambda name: (not name, name))
    return tuple(GroupSum(name, each) for name in order for each in _sums(found[name]))


def _groups_of(asked: AskerSum, document: QuotaDocument) -> Iterator[str]:
    yield from document.groups_of(asked.groups) or ("",)


def _sums(told: Iterable[AskerSum]) -> tuple[CodeSum, ...]:
    of_code: defaultdict[str, list[AskerSum]] = defaultdict(list)
    for each in told:
        of_code[each.code].append(each)
    sums = (
        CodeSum(
            code,
            sum(each.times for each in those),
            len({each.owner for each in those}),
            max(each.last_at for each in those),
        )
        for code, those in of_code.items()
    )
    return tuple(sorted(sums, key=lambda each: (-each.times, each.code)))
