"""YARN's preemption between queues of a tree, asked of ours: a container is a piece.

Each queue asks for one container after the other while it may take room. A queue's weight is what
it is guaranteed. Where theirs does not balance beyond guarantees, queues ask for no more than that.
Of several resources a container counts as its dominant one. Theirs rounds: a container more or less
is the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest
from sublet_quota.shares.division import divide
from sublet_quota.shares.entitlement import Piece, PieceId, entitle
from sublet_quota.shares.group_tree import ROOT, GroupNode, GroupTree, NodeName
from sublet_quota.shares.in_force import guarantees_in_force
from sublet_quota.shares.reclaim import Position, Request, Taken, take

from tests.quota.foreign.foreign_cases import Case, cases_of, compare, exact

FILE = "yarn_preemption.yaml"


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@dataclass
class Queues:
    """A case as groups and pieces."""

    case: Case
    on: list[Piece] = field(default_factory=list)
    app_of: dict[PieceId, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cluster = [exact(one) for one in listed(self.case["cluster"])]
        self.queues = {one["name"]: one for one in self.case["queues"]}
        self.supply = self.cluster[0]
        self.tree = self._tree()
        for app in self.case["apps"]:
            self._add(app)

    def amount(self, value: Any) -> Fraction:
        """The dominant part of the cluster, in units of its first resource."""
        pairs = zip(listed(value), self.cluster, strict=True)
        return max(exact(one) / whole for one, whole in pairs) * self.cluster[0]

    def of(self, queue: str, key: str) -> Fraction:
        return self.amount(self.queues[queue].get(key, [0] * len(self.cluster)))

    def _tree(self) -> GroupTree:
        top = tuple(self._below("root"))
        promised = sum((one.guaranteed for one in top), Fraction(0))
        tree = GroupTree(GroupNode(ROOT, guaranteed=promised, children=top))
        turns = {name: (0, place) for place, name in enumerate(tree.nodes)}
        return guarantees_in_force(tree, self.supply, turns)[0]

    def _below(self, parent: str) -> Iterator[GroupNode]:
        for name, queue in self.queues.items():
            if queue["parent"] != parent:
                continue
            children = tuple(self._below(name))
            promised = sum((child.guaranteed for child in children), Fraction(0))
            guaranteed = max(self.of(name, "guaranteed"), promised)
            limit = max(self.of(name, "max"), guaranteed)
            yield GroupNode(NodeName(name), int(guaranteed), guaranteed, limit, children)

    def _fixed(self, queue: str | None) -> bool:
        while queue is not None:
            if self.queues[queue].get("preemption_disabled"):
                return True
            queue = self.queues[queue]["parent"]
        return False

    def _add(self, app: Case) -> None:
        queue, size = app["queue"], self.size(app["queue"])
        if "containers" in app:
            count = app["containers"]
        else:
            of_queue = [one for one in self.case["apps"] if one["queue"] == queue]
            count = int(self.of(queue, "used") / size) // len(of_queue)
        for number in range(count):
            name = PieceId(f"{app['app']}/{number}")
            self.app_of[name] = str(app["app"])
            self.on.append(Piece(name, NodeName(queue), size, not self._fixed(queue)))

    def size(self, queue: str) -> Fraction:
        sizes = [
            self.amount(app["container"]) for app in self.case["apps"] if app["queue"] == queue
        ]
        return max(sizes, default=Fraction(1))

    def asks(self) -> dict[NodeName, Fraction]:
        """What each queue has and wants; beyond its guarantee only where theirs balances."""
        asks: dict[NodeName, Fraction] = {}
        for name in self.tree.leaves():
            used = sum((one.cards for one in self.on if one.node == name), Fraction(0))
            wanted = used + self.of(name, "pending") - self.of(name, "reserved")
            if not self.case["settings"].get("balance_beyond_guarantee"):
                wanted = min(wanted, max(used, self.tree.nodes[name].guaranteed))
            asks[name] = max(wanted, used)
        return asks

    def preempted(self) -> Counter[str]:
        """How many containers of each application make way, once all queues have asked."""
        asks = self.asks()
        shares = divide(self.tree, self.supply, asks)
        held = Position.of(self.tree, shares, self.on).held
        given: Counter[str] = Counter()
        on = entitle(self.tree, self.on)
        names, made = list(self.tree.leaves()), 0
        while names:
            for name in tuple(names):
                size = self.size(name)
                if held[name] + size > asks[name]:
                    names.remove(name)
                    continue
                free = max(Fraction(0), self.supply - sum(one.cards for one in on))
                position = Position.of(self.tree, shares, on)
                request = Request(name, size)
                answer = take(position, request, max(Fraction(0), size - free), reversed(on))
                if not isinstance(answer, Taken):
                    names.remove(name)
                    continue
                made += 1
                given.update(self._apps(answer.pieces))
                stay = [one for one in on if one not in answer.pieces]
                on = entitle(self.tree, [*stay, Piece(PieceId(f"new{made}"), name, size)])
                held = {**held, name: held[name] + size}
        return given

    def _apps(self, pieces: Iterable[Piece]) -> Iterator[str]:
        return (self.app_of[one.piece_id] for one in pieces if one.piece_id in self.app_of)


def agrees(case: Case) -> bool:
    queues = Queues(case)
    given, expect = queues.preempted(), case["expect"]["preempted_containers"]
    if "all" in expect:
        return sum(given.values()) == expect["all"]
    shares = divide(queues.tree, queues.supply, queues.asks())
    ideal = {name: queues.amount(value) for name, value in case["expect"].get("ideal", {}).items()}
    return all(abs(shares[NodeName(name)] - value) <= 1 for name, value in ideal.items()) and all(
        abs(given[str(app)] - count) <= (1 if count else 0) for app, count in expect.items()
    )


@pytest.mark.parametrize("case", cases_of(FILE, "tree_cases", "matrix_cases"))
def test_who_makes_way(case: Case) -> None:
    compare(case["id"], lambda: agrees(case))
