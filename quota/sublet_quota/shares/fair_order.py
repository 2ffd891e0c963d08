"""Whose turn it is: at each level of the tree the sibling that used least for its weight.

Siblings alone are compared, so that what happens inside one group moves nothing in another; weight
0 comes last. Below the tree the persons of a group are compared alike. Exact ties go to the older
request, then by lot: never by name.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from heapq import heapify, heappop, heapreplace
from operator import itemgetter
from typing import NewType

from sublet_quota.names.ids import UserName
from sublet_quota.shares.group_tree import GroupNode, GroupTree, NodeName
from sublet_quota.shares.past_use import per_weight

RequestId = NewType("RequestId", str)


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """A job or a notebook that waits for room."""

    request_id: RequestId
    node: NodeName
    """The leaf of the tree that would pay."""
    owner: UserName
    since: datetime
    lot: int
    """Drawn once for each request, and kept: decides exact ties."""
    estimate: float
    """What it is thought to use (``past_use.use_of`` at its admission)."""


def ranks(tree: GroupTree, used: Mapping[NodeName, float]) -> dict[NodeName, int]:
    """Return the place of each node in the fair order, from 0; who is tied shares it.

    Who is tied with a group shares the place of the best in it; tied groups' children are compared
    as if they were siblings. Groups have the place of their best leaf.
    """
    places: dict[NodeName, int] = {}
    _rank(tree.root.children, used, places, 0)
    for name, node in reversed(tuple(tree.nodes.items())):
        if node.children:
            places[name] = min(places[child.name] for child in node.children)
    return places


def _rank(
    siblings: Sequence[GroupNode],
    used: Mapping[NodeName, float],
    places: dict[NodeName, int],
    place: int,
) -> int:
    """Give places from ``place`` on to all leaves below the siblings, and return the next."""
    tied: dict[tuple[bool, Fraction], list[GroupNode]] = {}
    for node in siblings:
        amount = Fraction(used.get(node.name, 0))
        claim = (False, amount / node.weight) if node.weight else (True, Fraction(0))
        tied.setdefault(claim, []).append(node)
    for claim in sorted(tied):
        leaves = [node.name for node in tied[claim] if not node.children]
        below: dict[NodeName, int] = {}
        _rank([child for node in tied[claim] for child in node.children], used, below, place)
        places.update(dict.fromkeys(leaves, place))
        for name, at in below.items():
            places[name] = at if at == place else at + len(leaves)
        place += len(leaves) + len(below)
    return place


def fair_order(
    tree: GroupTree,
    used: Mapping[NodeName, float],
    used_by: Mapping[tuple[NodeName, UserName], float],
    waiting: Iterable[WaitingRequest],
) -> Iterator[WaitingRequest]:
    """Yield the requests one by one in their order; each is charged its estimate as it is had.

    ``used_by`` is what each person used, by the leaf that paid for it.
    """
    of_person: defaultdict[tuple[NodeName, UserName], list[WaitingRequest]] = defaultdict(list)
    for request in waiting:
        of_person[request.node, request.owner].append(request)
    tree.require_leaves(leaf for leaf, _ in of_person)
    of_leaf: defaultdict[NodeName, list[_Turns]] = defaultdict(list)
    for (leaf, owner), requests in of_person.items():
        person = _Turns(1, used_by.get((leaf, owner), 0.0), requests=requests)
        of_leaf[leaf].append(person)
    there = {name for leaf in of_leaf for name in tree.paths[leaf]}
    turns = _turns_of(tree.root, used, of_leaf, there)
    while turns.next_one is not None:
        yield turns.take()


_Age = tuple[datetime, int, RequestId]
"""Age, lot and name of a request: what the first of equals has the least of."""
_Turn = tuple[float, _Age]
"""Use per weight; then the age of the request that comes next."""


class _Turns:
    """A group or a person whose requests wait, and who in it comes next."""

    __slots__ = ("_members", "_requests", "_used", "_weight", "next_one")

    def __init__(
        self,
        weight: int,
        used: float,
        members: Iterable["_Turns"] = (),
        requests: Iterable[WaitingRequest] = (),
    ) -> None:
        self._weight = weight
        self._used = used
        aged = ((_age(request), request) for request in requests)
        self._requests = sorted(aged, key=itemgetter(0), reverse=True)
        self._members = [(member.turn(), member) for member in members]
        heapify(self._members)
        self.next_one: _Age | None = None
        """The age of the request that comes next; ``None``: there is none."""
        self._look()

    def turn(self) -> _Turn:
        if self.next_one is None:
            message = "nobody waits there"
            raise ValueError(message)
        return per_weight(self._used, self._weight), self.next_one

    def take(self) -> WaitingRequest:
        members = self._members
        if members:
            member = members[0][1]
            request = member.take()
            if member.next_one is None:
                heappop(members)
            else:
                heapreplace(members, (member.turn(), member))
        else:
            request = self._requests.pop()[1]
        self._used += request.estimate
        self._look()
        return request

    def _look(self) -> None:
        if self._members:
            self.next_one = self._members[0][0][1]
        else:
            self.next_one = self._requests[-1][0] if self._requests else None


def _age(request: WaitingRequest) -> _Age:
    return request.since, request.lot, request.request_id


def _turns_of(
    node: GroupNode,
    used: Mapping[NodeName, float],
    of_leaf: Mapping[NodeName, Sequence[_Turns]],
    there: AbstractSet[NodeName],
) -> _Turns:
    """Return who comes next in a node; ``there``: the nodes in which somebody waits."""
    if node.children:
        waiting = (child for child in node.children if child.name in there)
        members: Sequence[_Turns] = [_turns_of(child, used, of_leaf, there) for child in waiting]
    else:
        members = of_leaf.get(node.name, ())
    return _Turns(node.weight, used.get(node.name, 0.0), members)
