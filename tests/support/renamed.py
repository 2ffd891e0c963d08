"""The same round under other names: for what must hang on no name, and on no order of arrival."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sublet_quota.shares.group_tree import NodeName

NAMES = ("ann", "bob", "cat", "dan", "eve", "fay")
GROUPS = ("lab", "law", "map")


@dataclass(frozen=True)
class Names(Mapping[NodeName, tuple[int, int]]):
    """Names of persons and groups by their numbers, and the lots of groups, which stay."""

    people: tuple[str, ...] = NAMES
    groups: tuple[str, ...] = GROUPS

    def __getitem__(self, node: NodeName) -> tuple[int, int]:
        """Return the turn of a group, which is its lot; other names are no groups'."""
        name, _, rest = node.partition("/")
        if name not in self.groups:
            raise KeyError(node)
        return 0, (self.groups.index(name) * 7 + 3) % 5 + 10 * len(rest)

    def __iter__(self) -> Iterator[NodeName]:
        return iter(NodeName(name) for name in self.groups)

    def __len__(self) -> int:
        return len(self.groups)
