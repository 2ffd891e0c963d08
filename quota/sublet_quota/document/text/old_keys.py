"""Keys that documents had before, or will have: refused, and told in the spelling that is read.

What stands there is written anew, with its own values, as far as they can be told.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sublet_quota.document.problems import DocumentProblem, KeyPath
from sublet_quota.document.text.new_spelling import (
    cards_anew,
    flow,
    person_anew,
    pool_anew,
)
from sublet_quota.document.text.tree import DocumentTree

Says = Callable[[Any, KeyPath], str]
"""What is said about a key, by what stands there and where."""
TakesOut = Callable[[Mapping[str, Any], KeyPath], dict[str, Any]]
"""Returns a section without what is old in it."""
_NOT_YET: Final = "is not there yet in this version: leave it out"
_COUNTED: Final = "a slice counts as the larger of its part of memory and of compute"
_GROUPS_ALONE: Final = "is for groups alone, and this is one person's: leave it out"


def _not_yet(_value: Any, _path: KeyPath) -> str:
    return _NOT_YET


def _of_groups_alone(_value: Any, _path: KeyPath) -> str:
    return _GROUPS_ALONE


def _of_a_groups_budget(_value: Any, _path: KeyPath) -> str:
    return "is a group's: write `budget: {each: {hours: 400}}` in the group that pays"


def _default_size(value: Any, _path: KeyPath) -> str:
    return f"is said at the size now: write `{flow({'name': value, 'default': True})}` in `sizes`"


def _users(value: Any, _path: KeyPath) -> str:
    entries = value if isinstance(value, Mapping) else {}
    name = next(iter(entries), "USER")
    said = person_anew(entries.get(name)) or {"limit": {"cards": 2}}
    example = flow([{"who": [name], "set": said, "why": "WHY", "until": "2027-03-31"}])
    return (
        f"are `exceptions` now, and guarantees and weights are groups' alone: write `exceptions: "
        f"{example}`"
    )


def _gpus(value: Any, _path: KeyPath) -> str:
    gpu_types, pool = pool_anew(value)
    named = f"name the models in `gpu_types: {flow(gpu_types)}`, and " if gpu_types else ""
    return f"is written without `gpus` now: {named}write `{flow(pool)[1:-1]}` in the pool itself"


def _turn(value: Any, _path: KeyPath) -> str:
    unit = " s" if isinstance(value, int | float) and not isinstance(value, bool) else ""
    return f"is `turn` now: write `turn: {value}{unit}`"


def _sizes_groups(value: Any, _path: KeyPath) -> str:
    return f"is `for` now: write `for: {flow(value)}`, with names from `groups` of this document"


def _sizes_users(value: Any, path: KeyPath) -> str:
    example = flow([{"who": value, "set": {"sizes": [path[1]]}, "why": "WHY"}])
    return f"is an exception now: write `exceptions: {example}`, and `for: []` here"


def _most_slices(value: Any, _path: KeyPath) -> str:
    return f"is a limit now: write `limit: {flow({'slices': value})}`"


def _most_jobs(value: Any, _path: KeyPath) -> str:
    return f"is a rule of `jobs` now: write `jobs: {flow({'most': value})}`"


def _each_member(value: Any, _path: KeyPath) -> str:
    return f"is `each` now: write `each: {flow(person_anew(value))}`"


def _max_idle(value: Any, _path: KeyPath) -> str:
    return f"is what one person may: write `each: {flow({'max_idle': value})}`"


def _limit_compute(value: Any, _path: KeyPath) -> str:
    return (
        f"is in cards now: write `cards: {cards_anew(value)}`, or of one type `H100: "
        f"{cards_anew(value)}` ({_COUNTED})"
    )


_OF_DOCUMENT: Final[Mapping[str, Says]] = {
    "default_size": _default_size,
    "users": _users,
}
_OF_POOLS: Final[Mapping[str, Says]] = {"gpus": _gpus, "turn_s": _turn}
_OF_SIZES: Final[Mapping[str, Says]] = {"groups": _sizes_groups, "users": _sizes_users}
_OF_ALL: Final[Mapping[str, Says]] = {
    "most_slices": _most_slices,
    "most_jobs": _most_jobs,
}
_OF_PERSONS: Final[Mapping[str, Says]] = {
    **_OF_ALL,
    "weight": _of_groups_alone,
    "guaranteed": _of_groups_alone,
    "budget": _of_a_groups_budget,
}
_OF_GROUPS: Final[Mapping[str, Says]] = {
    **_OF_ALL,
    "each_member": _each_member,
    "max_idle": _max_idle,
}
_OF_LIMITS: Final[Mapping[str, Says]] = {"compute": _limit_compute}
_OF_GUARANTEES: Final = frozenset({"memory", "compute", "pool"})


def without_old_keys(
    value: dict[str, Any], tree: DocumentTree, problems: list[DocumentProblem]
) -> dict[str, Any]:
    """Return a document without them; what is to be written instead is added to ``problems``."""
    gpu_types = value.get("gpu_types")
    a_type = next(iter(gpu_types), "H100") if isinstance(gpu_types, dict) else "H100"
    old = _Old(a_type, tree, problems)
    made = old.taken_out(value, _OF_DOCUMENT, ())
    old.in_entries(made, "pools", old.pool)
    old.in_entries(made, "sizes", old.size)
    old.in_section(made, "everyone", (), old.person)
    old.in_entries(made, "groups", old.group)
    old.in_exceptions(made)
    return made


class _Old:
    """The old keys of one document, as they are found and taken out."""

    def __init__(self, a_type: str, tree: DocumentTree, problems: list[DocumentProblem]) -> None:
        self._a_type = a_type
        self._tree = tree
        self._problems = problems

    def taken_out(
        self, section: Mapping[str, Any], table: Mapping[str, Says], path: KeyPath
    ) -> dict[str, Any]:
        """Return a section without the keys of a table."""
        for key, says in table.items():
            if key in section:
                where = (*path, key)
                message = says(section[key], where)
                self._problems.append(DocumentProblem(self._tree.line_of(where), where, message))
        return {key: value for key, value in section.items() if key not in table}

    def in_section(
        self,
        made: dict[str, Any],
        key: str,
        path: KeyPath,
        of: TakesOut,
    ) -> None:
        """Take out what is old in one section below."""
        if isinstance(made.get(key), dict):
            made[key] = of(made[key], (*path, key))

    def in_entries(
        self,
        made: dict[str, Any],
        key: str,
        of: TakesOut,
        path: KeyPath = (),
    ) -> None:
        """Take out what is old in each entry of a mapping."""
        entries = made.get(key)
        if isinstance(entries, dict):
            made[key] = {
                name: of(entry, (*path, key, name)) if isinstance(entry, dict) else entry
                for name, entry in entries.items()
            }

    def in_exceptions(self, made: dict[str, Any]) -> None:
        """Take out what is old in what exceptions set."""
        entries = made.get("exceptions")
        if not isinstance(entries, list):
            return
        made["exceptions"] = found = []
        for place, each in enumerate(entries):
            entry = dict(each) if isinstance(each, dict) else each
            if isinstance(entry, dict):
                self.in_section(entry, "set", ("exceptions", place), self._set)
            found.append(entry)

    def _set(self, section: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        made = self.taken_out(section, _OF_ALL, path)
        self._limits(made, path)
        self.in_section(made, "guaranteed", path, self._guarantees)
        self.in_section(made, "each", path, self.person)
        return made

    def pool(self, section: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        """Return a pool without what is old."""
        return self.taken_out(section, _OF_POOLS, path)

    def size(self, section: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        """Return a size without what is old."""
        return self.taken_out(section, _OF_SIZES, path)

    def person(self, section: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        """Return what one person may have without what is old."""
        made = self.taken_out(section, _OF_PERSONS, path)
        self._limits(made, path)
        return made

    def group(self, section: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        """Return a group, with those in it, without what is old."""
        made = self.taken_out(section, _OF_GROUPS, path)
        self._limits(made, path)
        self.in_section(made, "guaranteed", path, self._guarantees)
        self.in_section(made, "each", path, self.person)
        self.in_entries(made, "groups", self.group, path)
        return made

    def _guarantees(self, section: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        old = [key for key in section if key in _OF_GUARANTEES]
        if old:
            where = (*path, old[0])
            cards = cards_anew(section.get("compute", 1))
            message = (
                "is in cards of a GPU type now, whatever the pool: write `guaranteed: "
                f"{flow({self._a_type: cards})}` ({_COUNTED})"
            )
            self._problems.append(DocumentProblem(self._tree.line_of(where), where, message))
        return {key: value for key, value in section.items() if key not in _OF_GUARANTEES}

    def _limits(self, made: dict[str, Any], path: KeyPath) -> None:
        self.in_section(made, "limit", path, self._limit)
        self.in_section(made, "jobs", path, self._jobs)

    def _limit(self, section: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        return self.taken_out(section, _OF_LIMITS, path)

    def _jobs(self, section: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        made = dict(section)
        self.in_section(made, "limit", path, self._limit)
        return made
