"""The groups of a document as a flat mapping, with the way to each and what each says."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sublet_quota.document.lookups.said_keys import said_by
from sublet_quota.document.problems import KeyPath
from sublet_quota.document.sections import GroupQuota
from sublet_quota.names.ids import GroupName


def walk(
    groups: Mapping[str, GroupQuota], above: tuple[GroupName, ...] = ()
) -> Iterator[tuple[tuple[GroupName, ...], GroupQuota]]:
    """Yield every group with its path from the top, by name, parents before their children."""
    for name in sorted(groups):
        path = (*above, GroupName(name))
        yield path, groups[name]
        yield from walk(groups[name].groups, path)


def key_path(path: Iterable[str]) -> KeyPath:
    """Return where a document has the group of a path: ``groups.science.groups.nlp``."""
    return tuple(step for name in path for step in ("groups", name))


class GroupPaths:
    """The groups of one document; made once, as documents do not change."""

    def __init__(self, groups: Mapping[str, GroupQuota]) -> None:
        found = list(walk(groups))
        self.all: dict[GroupName, GroupQuota] = {path[-1]: group for path, group in found}
        self.paths: dict[GroupName, tuple[GroupName, ...]] = {path[-1]: path for path, _ in found}
        self.said: dict[GroupName, dict[KeyPath, Any]] = {
            path[-1]: said_by(group) for path, group in found
        }
        self._of_hub_group: dict[str, list[GroupName]] = {}
        for path, group in found:
            for member in (path[-1],) if group.members is None else group.members:
                self._of_hub_group.setdefault(member, []).append(path[-1])

    def in_most(self) -> tuple[str, int]:
        """Return the hub's group that is a member of most groups here, and of how many."""
        counts = ((len(names), member) for member, names in self._of_hub_group.items())
        count, member = max(counts, default=(0, ""))
        return member, count

    def of(self, hub_groups: Iterable[str]) -> tuple[GroupName, ...]:
        """Return the groups of which members of these groups of the hub are direct members."""
        found = {name for each in hub_groups for name in self._of_hub_group.get(each, ())}
        return tuple(sorted(found))
