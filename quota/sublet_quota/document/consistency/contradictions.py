"""The contradictions of a quota document: entries, each right alone, that do not fit together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from sublet_quota.amounts.gpu_kind import is_pattern
from sublet_quota.document.consistency.bounds import too_many
from sublet_quota.document.consistency.budgets import budgets_that_do_not_fit
from sublet_quota.document.consistency.guarantees import guarantees_that_do_not_fit
from sublet_quota.document.lookups.gpu_match import selects
from sublet_quota.document.lookups.group_paths import key_path, walk
from sublet_quota.document.lookups.said_keys import said_by
from sublet_quota.document.problems import Contradiction, KeyPath
from sublet_quota.document.sections import Choice, GroupQuota, JobRules, PersonQuota
from sublet_quota.document.value_kinds.amount_limit import NO_TYPES, AmountLimit
from sublet_quota.document.value_kinds.cards import write_cards
from sublet_quota.names.nearest_name import nearest_name
from sublet_quota.wire.environment import NO_GPU

if TYPE_CHECKING:
    from sublet_quota.document.quota_document import QuotaDocument

_MOST: Final = 400
_MOST_LISTED: Final = 20
_MOST_COMPARED: Final = 500
_MOST_LEVELS: Final = 12
_JOBS: Final = "jobs"
_OTHER_WORDS: Final = {
    "gpu": "cards",
    "gpus": "cards",
    "notebooks": "slices",
    "servers": "slices",
}
"""What others call the keys of a limit."""


@dataclass(frozen=True, slots=True)
class Written:
    """Names that a document has, those of entries too that were left out as wrong."""

    gpu_types: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    unsure: frozenset[str] = frozenset()
    """Sections of which something was left out as wrong: nothing is missing in them."""


def find_contradictions(document: "QuotaDocument", written: Written) -> tuple[Contradiction, ...]:
    """Return what in ``document`` does not fit together, the first hundreds of it."""
    many = tuple(too_many(document))
    if many:
        return many
    names = _Names(document, written)
    alone = tuple(islice(chain(_in_the_tree(document), _of_names(document, names)), _MOST))
    if any(found.path[0] in ("groups", "exceptions", "reservations") for found in alone):
        return alone
    return (*alone, *islice(guarantees_that_do_not_fit(document), _MOST))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)``, or ``""`` where no known word is near, or very many are."""
    words = tuple(islice(known, _MOST_COMPARED + 1))
    found = nearest_name(word, words) if len(words) <= _MOST_COMPARED else ""
    return f" (did you mean '{found}'?)" if found else ""


class _Names:
    """What may be named, and how it is told what is not there."""

    def __init__(self, document: "QuotaDocument", written: Written) -> None:
        groups = (path[-1] for path, _ in walk(document.groups))
        self.gpu_types = _all_of(document.gpu_types, written.gpu_types)
        self.pools = _all_of(document.pools, written.pools)
        self.sizes = _all_of(document.sizes, written.sizes)
        self.groups = _all_of(groups, written.groups)
        self.unsure = written.unsure

    def missing(
        self, path: KeyPath, section: str, named: Iterable[str] | None, known: Sequence[str]
    ) -> Iterator[Contradiction]:
        for place, name in enumerate(named or ()):
            if name not in known:
                yield _missing((*path, place), section, name, known)

    def types(self, path: KeyPath, named: Iterable[str] | None) -> Iterator[Contradiction]:
        """Yield what is wrong with names of GPU types, in a list or as keys of a mapping."""
        keys = isinstance(named, Mapping)
        for place, name in enumerate(named or ()):
            where = (*path, name) if keys else (*path, place)
            if isinstance(named, Mapping) and name == _JOBS and path[-1] == "limit":
                most = write_cards(named[name])
                yield Contradiction(where, f"is a rule of `jobs`: write `jobs: {{most: {most}}}`")
                continue
            if name in NO_TYPES:
                yield Contradiction(where, f"'{name}' is no GPU type: name one")
                continue
            meant = _meant_in_a_limit(name) if path[-1] == "limit" else ""
            if meant and name not in self.gpu_types:
                yield Contradiction(where, f"'{name}' is no GPU type{meant}: write that, or a type")
            elif self.gpu_types and name not in self.gpu_types:
                yield _missing(where, "gpu_types", name, self.gpu_types)
            elif not self.gpu_types and is_pattern(name):
                yield Contradiction(
                    where,
                    f"'{name}' is a pattern, and types are named: write a section `gpu_types: "
                    f'{{NAME: {{match: "{name}"}}}}`, and NAME here',
                )


def _meant_in_a_limit(name: str) -> str:
    """Return which key of a limit was meant by a name, as ``nearest`` does."""
    other = _OTHER_WORDS.get(name.casefold())
    return nearest(name, NO_TYPES) if other is None else f" (did you mean '{other}'?)"


def _all_of(*names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain(*names)))


def _missing(path: KeyPath, section: str, name: str, names: Sequence[str]) -> Contradiction:
    shown = ", ".join(names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")
    there = f"there are {shown}" if names else "there are none"
    return Contradiction(
        path, f"names '{name}', which is not in `{section}`{nearest(name, names)}: {there}"
    )


def _in_the_tree(document: "QuotaDocument") -> Iterator[Contradiction]:
    first: dict[str, KeyPath] = {}
    for path, group in walk(document.groups):
        where = key_path(path)
        if path[-1] in first:
            line = document.line_of(first[path[-1]])
            at = "" if line is None else f" (first in line {line})"
            yield Contradiction(
                where, f"is there twice in the tree{at}: groups are named by others; rename one"
            )
        first.setdefault(path[-1], where)
        if len(path) > _MOST_LEVELS:
            yield Contradiction(
                where, f"is nested deeper than {_MOST_LEVELS} groups: take a level out"
            )
        for key in ("types", "max_run"):
            if getattr(group.each.jobs, key) is not None:
                yield Contradiction(
                    (*where, "each", "jobs", key),
                    "holds for every job that the group pays: write it in the group's own `jobs`",
                )


def _of_names(document: "QuotaDocument", names: _Names) -> Iterator[Contradiction]:
    yield from _of_gpu_types(document)
    yield from _of_pools(document, names)
    yield from _of_sizes(document, names)
    yield from _of_person(("everyone",), document.everyone, names)
    yield from _of_choice(("everyone",), document.everyone, names)
    for path, group in walk(document.groups):
        yield from _of_group(key_path(path), group, names)
    yield from _of_exceptions(document, names)
    yield from _of_reservations(document, names)
    yield from budgets_that_do_not_fit(document)


def _of_gpu_types(document: "QuotaDocument") -> Iterator[Contradiction]:
    seen: dict[str, str] = {}
    for name, gpu_type in document.gpu_types.items():
        if name in NO_TYPES:
            yield Contradiction(
                ("gpu_types", name),
                "cannot be a type's name: it is a key of limits; write another",
            )
        for place, pattern in enumerate(gpu_type.match):
            other = seen.setdefault(pattern.lower(), name)
            if other != name:
                yield Contradiction(
                    ("gpu_types", name, "match", place),
                    f"'{pattern}' is in `{other}`, too, and a card that two types match is closed: "
                    "keep it in one",
                )


def _of_pools(document: "QuotaDocument", names: _Names) -> Iterator[Contradiction]:
    whole = len(document.pools) > 1 and "pools" not in names.unsure
    defaults = [name for name, pool in document.pools.items() if pool.default]
    rest = [name for name, pool in document.pools.items() if not selects(pool)]
    if whole and not defaults:
        yield Contradiction(
            ("pools",),
            "has several entries, and none says `default: true`: say in which one sizes lie that "
            "name none",
        )
    for name in defaults[1:]:
        yield _second(document, ("pools", name, "default"), ("pools", defaults[0], "default"))
    for name in rest[1:] if whole else ():
        yield Contradiction(
            ("pools", name),
            f"has what no other pool has, and so has {rest[0]}: give one of them `types`, `nodes` "
            "or `ids`",
        )
    for name, pool in document.pools.items():
        yield from names.types(("pools", name, "types"), pool.types)
        for other in pool.lends:
            path = ("pools", name, "lends", other)
            if other == name:
                yield Contradiction(path, "lends to itself: name another pool")
            elif other not in names.pools:
                yield _missing(path, "pools", other, names.pools)


def _of_sizes(document: "QuotaDocument", names: _Names) -> Iterator[Contradiction]:
    if NO_GPU in document.sizes:
        yield Contradiction(
            ("sizes", NO_GPU),
            f"cannot be a size's name: who asks for '{NO_GPU}' gets no GPU; write another",
        )
    defaults = [name for name, size in document.sizes.items() if size.default]
    for name in defaults[1:]:
        yield _second(document, ("sizes", name, "default"), ("sizes", defaults[0], "default"))
    for name, size in document.sizes.items():
        if size.pool is not None and size.pool not in names.pools:
            yield _missing(("sizes", name, "pool"), "pools", size.pool, names.pools)
        yield from names.types(("sizes", name, "types"), size.types)
        yield from names.missing(("sizes", name, "for"), "groups", size.for_, names.groups)


def _second(document: "QuotaDocument", path: KeyPath, first: KeyPath) -> Contradiction:
    line = document.line_of(first)
    at = "" if line is None else f" (line {line})"
    return Contradiction(path, f"is the second default beside {first[1]}{at}: keep one")


def _of_group(path: KeyPath, group: GroupQuota, names: _Names) -> Iterator[Contradiction]:
    yield from names.types((*path, "guaranteed"), group.guaranteed)
    yield from _of_limit((*path, "limit"), group.limit, names)
    yield from _of_jobs((*path, "jobs"), group.jobs, names)
    yield from _of_choice(path, group, names)
    yield from _of_person((*path, "each"), group.each, names)


def _of_limit(path: KeyPath, limit: AmountLimit | None, names: _Names) -> Iterator[Contradiction]:
    if limit is not None:
        yield from names.types(path, dict(limit.types))


def _of_jobs(path: KeyPath, jobs: JobRules, names: _Names) -> Iterator[Contradiction]:
    yield from names.types((*path, "types"), jobs.types)
    yield from _of_limit((*path, "limit"), jobs.limit, names)


def _of_person(path: KeyPath, person: PersonQuota, names: _Names) -> Iterator[Contradiction]:
    yield from _of_limit((*path, "limit"), person.limit, names)
    yield from _of_jobs((*path, "jobs"), person.jobs, names)


def _of_choice(path: KeyPath, choice: Choice, names: _Names) -> Iterator[Contradiction]:
    yield from names.missing((*path, "sizes"), "sizes", choice.sizes, names.sizes)
    yield from names.types((*path, "types"), choice.types)


def _of_reservations(document: "QuotaDocument", names: _Names) -> Iterator[Contradiction]:
    first: dict[str, int] = {}
    for place, reservation in enumerate(document.reservations):
        path = ("reservations", place)
        if first.setdefault(reservation.name, place) != place:
            line = document.line_of(("reservations", first[reservation.name]))
            at = "" if line is None else f" (first in line {line})"
            yield Contradiction((*path, "name"), f"'{reservation.name}' is there twice{at}")
        if reservation.for_ not in names.groups:
            yield _missing((*path, "for"), "groups", reservation.for_, names.groups)
        yield from names.types((*path, "guaranteed"), reservation.guaranteed)


def _of_exceptions(document: "QuotaDocument", names: _Names) -> Iterator[Contradiction]:
    for place, exception in enumerate(document.exceptions):
        path, said = ("exceptions", place), exception.set_
        if not exception.who and not exception.groups:
            yield Contradiction(path, "is for nobody: name persons in `who`, or `groups`")
        # What it says may be what is wrong there, and told already.
        if not said_by(said) and "exceptions" not in names.unsure:
            such = "weight: 2" if exception.groups and not exception.who else "limit: {cards: 2}"
            yield Contradiction(
                (*path, "set"), f"says nothing: write what holds instead, such as `{such}`"
            )
        yield from names.missing((*path, "groups"), "groups", exception.groups, names.groups)
        here = (*path, "set")
        yield from _of_person(here, said, names)
        yield from _of_choice(here, said, names)
        yield from names.types((*here, "guaranteed"), said.guaranteed)
        yield from _of_person((*here, "each"), said.each, names)
        if exception.who:
            for key, value in (("guaranteed", said.guaranteed), ("weight", said.weight)):
                if value not in ({}, None):
                    yield Contradiction(
                        (*here, key),
                        "is for groups alone, and the exception is for persons (`who`): make them "
                        "a group, or leave it out",
                    )
            if said.each != PersonQuota():
                yield Contradiction(
                    (*here, "each"), "is for groups alone: write for persons what is in it directly"
                )
        for key in ("keep_a_day", "max_idle") if exception.groups else ():
            if getattr(said, key) is not None:
                yield Contradiction(
                    (*here, key), "is what one person may: write it in `each` for groups"
                )
