"""Shares and takings as one would write them first: rounds of division, and sums made anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sublet_quota.shares.entitlement import Piece
from sublet_quota.shares.group_tree import ROOT, GroupNode, GroupTree, NodeName
from sublet_quota.shares.reclaim import Request


def divide_naively(
    tree: GroupTree, supply: Fraction, wants: Mapping[NodeName, Fraction]
) -> dict[NodeName, Fraction]:
    """Return all shares: in rounds, each of which gives what is left by weight."""
    shares = {ROOT: min(supply, wants[ROOT])}
    for name, node in tree.nodes.items():
        shares.update({c.name: min(c.guaranteed, wants[c.name]) for c in node.children})
        for weighted in (True, False):
            _give(
                [child for child in node.children if bool(child.weight) is weighted],
                shares[name] - sum(shares[child.name] for child in node.children),
                shares,
                wants,
            )
    return shares


def _give(
    siblings: Sequence[GroupNode],
    rest: Fraction,
    shares: dict[NodeName, Fraction],
    wants: Mapping[NodeName, Fraction],
) -> None:
    while rest > 0:
        asking = [child for child in siblings if shares[child.name] < wants[child.name]]
        weights = sum(child.weight or 1 for child in asking)
        if not asking:
            return
        level = rest / weights
        full = [c for c in asking if wants[c.name] - shares[c.name] <= level * (c.weight or 1)]
        for child in full or asking:
            given = (
                level * (child.weight or 1) if not full else wants[child.name] - shares[child.name]
            )
            shares[child.name] += given
            rest -= given
        if not full:
            return


@dataclass
class NaiveTaking:
    """A request that takes room: whatever is asked is added up anew from all pieces."""

    tree: GroupTree
    shares: Mapping[NodeName, Fraction]
    on: list[Piece]
    request: Request

    def take(self, candidates: Sequence[Piece]) -> tuple[Piece, ...]:
        """Return who makes way, or nobody where that is too little."""
        taken: list[Piece] = []
        while sum(piece.cards for piece in taken) < self.request.cards:
            may_go = [piece for piece in candidates if piece not in taken and self.may_go(piece)]
            if not may_go:
                return ()
            piece = max(may_go, key=self.above)
            taken.append(piece)
            self.on.remove(piece)
        for piece in reversed(tuple(taken)):
            others = [other for other in taken if other != piece]
            self.on.append(piece)
            enough = sum(other.cards for other in others) >= self.request.cards
            if enough and all(self.may_go(other, gone=True) for other in others):
                taken = others
            else:
                self.on.remove(piece)
        return tuple(taken)

    def may_go(self, piece: Piece, *, gone: bool = False) -> bool:
        """Whether a piece may be taken, or rightly is gone."""
        path = self.tree.paths[self.request.node]
        level = self.level_of(piece)
        if piece.entitled > level or not piece.suspendable:
            return False
        inner = range(level + 1, len(path))
        if not all(self.entitled_at(step) or self.shared_at(step) for step in inner):
            return False
        if self.entitled_at(level):
            return True
        giver = self.tree.paths[piece.node][level]
        left = self.held(giver) - (0 if gone else piece.cards)
        return giver not in path and self.shared_at(level) and left >= self.shares[giver]

    def entitled_at(self, level: int) -> bool:
        """Whether the request is entitled at one step of its way."""
        name = self.tree.paths[self.request.node][level]
        entitled = sum(
            piece.cards
            for piece in self.on
            if name in self.tree.paths[piece.node][: piece.entitled]
        )
        return entitled + self.request.cards <= self.tree.nodes[name].guaranteed

    def shared_at(self, level: int) -> bool:
        """Whether the request is within the share at one step of its way."""
        name = self.tree.paths[self.request.node][level]
        return self.held(name) + self.request.cards <= self.shares[name]

    def held(self, name: NodeName) -> Fraction:
        """Return what is held at a node."""
        return sum(
            (piece.cards for piece in self.on if name in self.tree.paths[piece.node]), Fraction(0)
        )

    def level_of(self, piece: Piece) -> int:
        """Return at which step of the request's way it is compared with a piece's group."""
        path = self.tree.paths[self.request.node]
        steps = zip(path, self.tree.paths[piece.node], strict=False)
        return next((n for n, (a, b) in enumerate(steps) if a != b), len(path) - 1)

    def above(self, piece: Piece) -> list[tuple[bool, Fraction]]:
        """Return how far above their shares the groups of a piece are."""
        path = self.tree.paths[self.request.node]
        found = []
        for name in self.tree.paths[piece.node][self.level_of(piece) :]:
            held = self.held(name) + (self.request.cards if name in path else 0)
            share = self.shares[name]
            found.append((False, held / share) if share else (True, held))
        return found
