"""Whose room is taken for a request that does not fit: borrowed slices make way, alive.

Room is taken for who is within their guarantee, from borrowed slices; and for who stays within
their share, from who stays at or above theirs. The furthest above goes first. Groups are compared
one step below their common ancestor, as nobody outside is concerned by what is inside. Nothing is
taken from the entitled, nothing for past use, and nothing at all unless the request then fits. So
two groups never take from each other in turns, and the same question on the result takes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.entitlement import Piece, entitled_sums, held_sums
from sublet_quota.shares.group_tree import GroupTree, NodeName


@dataclass(frozen=True, slots=True)
class Position:
    """How the groups stand on the cards of one type."""

    tree: GroupTree
    """The groups with the guarantees in force."""
    shares: Mapping[NodeName, Fraction]
    """What each node is due (``divide``), the request that is decided among what it asks."""
    held: Mapping[NodeName, Fraction]
    entitled: Mapping[NodeName, Fraction]
    """The part of ``held`` that is entitled at the node."""

    @classmethod
    def of(
        cls, tree: GroupTree, shares: Mapping[NodeName, Fraction], pieces: Sequence[Piece]
    ) -> "Position":
        """Return the position that these pieces make, which ``entitle`` has looked at."""
        return cls(tree, shares, held_sums(tree, pieces), entitled_sums(tree, pieces))


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, within the limits of its group and all above it."""

    node: NodeName
    cards: Fraction
    suspendable: bool = True
    """Whether it could make way in its turn: nothing else may be borrowed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The pieces that make way so that the request fits; none where there is room."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class TooLittle:
    """Nothing is taken: what may be taken is less than what is needed."""

    need: Fraction
    takable: Fraction


def take(
    position: Position, request: Request, need: Fraction, candidates: Iterable[Piece]
) -> Taken | TooLittle:
    """Return who makes way for a request.

    ``need`` is what free room leaves of it. ``candidates`` are the pieces where the room is looked
    for, among them any that may not be taken; of one group's, the ones to go first come first.
    """
    return _take(_Taking(position, request), need, candidates)


def _take(taking: "_Taking", need: Fraction, candidates: Iterable[Piece]) -> Taken | TooLittle:
    taken = taking.in_order(candidates)
    chosen: list[Piece] = []
    while taking.sum < need:
        piece = next(taken, None)
        if piece is None:
            return TooLittle(need, taking.sum)
        chosen.append(piece)
    for piece in reversed(tuple(chosen)):
        taking.put_back(piece)
        if taking.sum >= need and all(taking.stays_right(one) for one in chosen if one != piece):
            chosen.remove(piece)
        else:
            taking.put(piece)
    return Taken(tuple(chosen))


def in_order(position: Position, request: Request, candidates: Iterable[Piece]) -> Iterator[Piece]:
    """Yield one by one who may make way for a request, as ``take`` chooses them: it may stop."""
    return _Taking(position, request).in_order(candidates)


_Most = tuple[int, int] | None
"""The most cards, as numerator and denominator; ``None``: any number."""


class Openings:
    """Who may make way for a request while nothing is taken: ``take`` begins with one of these.

    Asked of the slices of thousands of cards, so that only the few are looked at where one may.
    """

    def __init__(self, position: Position, request: Request) -> None:
        self._taking = _Taking(position, request)
        self._of_leaf: dict[NodeName, tuple[int, _Most]] = {}
        """By leaf: to how many steps a piece may be entitled, and its most cards."""
        self._of_giver: dict[NodeName, tuple[int, _Most]] = {}

    def givers(self, among: Iterable[NodeName]) -> Iterator[tuple[NodeName, Fraction | None]]:
        """Yield the nodes of which a piece that is not entitled there may make way.

        With each the most cards that such a piece may have; ``None``: any number. ``among``: of
        those beside the request's path, and of its own group, these alone.
        """
        taking = self._taking
        for name in among:
            level = len(taking.position.tree.paths[name]) - 1
            if taking.is_due(level):
                yield name, None
            elif taking.is_shared(level) and name not in taking.path:
                cards = taking.above_share(name)
                if cards > 0:
                    yield name, cards

    def are_in(self, pieces: Iterable[Piece]) -> bool:
        """Whether one of these pieces may make way."""
        return any(piece.suspendable and self._may_go(piece) for piece in pieces)

    def take(self, need: Fraction, candidates: Iterable[Piece]) -> Taken | TooLittle:
        """Return who makes way, as ``take`` does: what holds before anything is taken is known."""
        return _take(self._taking.anew(), need, candidates)

    def _may_go(self, piece: Piece) -> bool:
        found = self._of_leaf.get(piece.node)
        if found is None:
            giver = self._taking.giver(piece.node)
            if giver not in self._of_giver:
                self._of_giver[giver] = self._most_of(piece.node, giver)
            found = self._of_leaf[piece.node] = self._of_giver[giver]
        level, most = found
        if piece.entitled > level:
            return False
        return most is None or piece.cards.numerator * most[1] <= most[0] * piece.cards.denominator

    def _most_of(self, leaf: NodeName, giver: NodeName) -> tuple[int, _Most]:
        level = self._taking.level(leaf)
        if self._taking.is_due(level):
            return level, None
        if not self._taking.is_shared(level) or giver in self._taking.path:
            return -1, None
        left = self._taking.above_share(giver)
        return level, (left.numerator, left.denominator)


_Above = tuple[bool, Fraction]
"""How far above its share a node is: held by share; with no share at all further than any."""


@dataclass(slots=True)
class _Taking:
    """What is taken so far, and what therefore may be taken next."""

    position: Position
    request: Request
    sum: Fraction = NO_CARD
    _held: dict[NodeName, Fraction] = field(default_factory=dict)
    _entitled: dict[NodeName, Fraction] = field(default_factory=dict)
    """What is taken of each node's, where it is any."""
    path: tuple[NodeName, ...] = ()
    _due: dict[int, bool] = field(default_factory=dict)
    _shared: dict[int, bool] = field(default_factory=dict)
    """By step of the path: whether room may be taken there, as long as nothing more is taken."""
    _levels: dict[NodeName, int] = field(default_factory=dict)
    _keys: dict[NodeName, tuple[_Above, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path = self.position.tree.paths[self.request.node]

    def anew(self) -> "_Taking":
        """Return that nothing is taken yet, as here, with what is known of that."""
        return replace(
            self,
            _held={},
            _entitled={},
            _due=dict(self._due),
            _shared=dict(self._shared),
            _keys={},
        )

    def in_order(self, candidates: Iterable[Piece]) -> Iterator[Piece]:
        """Yield what is taken, piece by piece: each counts as taken when it is yielded."""
        waiting = self._by_leaf(candidates)
        while (piece := self._next_of(waiting)) is not None:
            waiting[piece.node].remove(piece)
            self.put(piece)
            yield piece

    def _by_leaf(self, candidates: Iterable[Piece]) -> dict[NodeName, list[Piece]]:
        """Return the pieces that are borrowed, as the request sees them, and can make way."""
        waiting: dict[NodeName, list[Piece]] = {}
        for piece in candidates:
            if piece.suspendable and piece.entitled <= self.level(piece.node):
                waiting.setdefault(piece.node, []).append(piece)
        return waiting

    def _next_of(self, waiting: Mapping[NodeName, Sequence[Piece]]) -> Piece | None:
        """Return the piece to take next: of who is furthest above their share."""
        best: tuple[tuple[_Above, ...], Piece] | None = None
        for leaf, pieces in waiting.items():
            level = self.level(leaf)
            is_due = self.is_due(level)
            if not (is_due or self.is_shared(level)):
                continue
            piece = next(
                (one for one in pieces if is_due or self._leaves_share(leaf, one.cards)), None
            )
            if piece is None:
                continue
            key = self._key_of(leaf)
            if best is None or key > best[0]:
                best = key, piece
        return None if best is None else best[1]

    def stays_right(self, piece: Piece) -> bool:
        """Whether a piece that is taken may be, with all that is taken now."""
        level = self.level(piece.node)
        if self.is_due(level):
            return True
        return self.is_shared(level) and self._leaves_share(piece.node, NO_CARD)

    def put(self, piece: Piece) -> None:
        """Count a piece as taken."""
        self._change(piece, piece.cards)

    def put_back(self, piece: Piece) -> None:
        """Count a piece as not taken."""
        self._change(piece, -piece.cards)

    def _change(self, piece: Piece, cards: Fraction) -> None:
        self.sum += cards
        self._due.clear()
        self._shared.clear()
        for depth, name in enumerate(self.position.tree.paths[piece.node]):
            self._held[name] = self._held.get(name, NO_CARD) + cards
            if depth < piece.entitled:
                self._entitled[name] = self._entitled.get(name, NO_CARD) + cards
        giver = self.giver(piece.node)
        paths = self.position.tree.paths
        self._keys = {leaf: key for leaf, key in self._keys.items() if giver not in paths[leaf]}

    def level(self, leaf: NodeName) -> int:
        """Return at which step of the request's way its group and the leaf's are compared."""
        if leaf not in self._levels:
            in_common = self.position.tree.in_common(self.request.node, leaf)
            self._levels[leaf] = min(in_common, len(self.path) - 1)
        return self._levels[leaf]

    def above_share(self, name: NodeName) -> Fraction:
        """Return what a node holds above its share, or less than nothing."""
        return self._left(name) - self.position.shares[name]

    def giver(self, leaf: NodeName) -> NodeName:
        return self.position.tree.paths[leaf][self.level(leaf)]

    def is_due(self, level: int) -> bool:
        """Whether the request is entitled against the siblings at this step."""
        if level not in self._due:
            self._due[level] = self._is_entitled(level) and self._inner_steps_allow(level)
        return self._due[level]

    def is_shared(self, level: int) -> bool:
        """Whether the request may borrow from the siblings at this step."""
        if level not in self._shared:
            self._shared[level] = (
                self.request.suspendable
                and self._is_shared(level)
                and self._inner_steps_allow(level)
            )
        return self._shared[level]

    def _inner_steps_allow(self, level: int) -> bool:
        if not (self.request.suspendable or self._is_entitled(len(self.path) - 1)):
            return False
        inner = range(level + 1, len(self.path))
        return all(self._is_entitled(step) or self._is_shared(step) for step in inner)

    def _is_entitled(self, level: int) -> bool:
        name = self.path[level]
        entitled = self.position.entitled[name] - self._entitled.get(name, NO_CARD)
        return entitled + self.request.cards <= self.position.tree.nodes[name].guaranteed

    def _is_shared(self, level: int) -> bool:
        name = self.path[level]
        return self._left(name) + self.request.cards <= self.position.shares[name]

    def _leaves_share(self, leaf: NodeName, more: Fraction) -> bool:
        """Whether who gives stays at or above their share when they give so much more."""
        giver = self.giver(leaf)
        return giver not in self.path and self.above_share(giver) >= more

    def _left(self, name: NodeName) -> Fraction:
        return self.position.held[name] - self._held.get(name, NO_CARD)

    def _key_of(self, leaf: NodeName) -> tuple[_Above, ...]:
        if leaf not in self._keys:
            steps = self.position.tree.paths[leaf][self.level(leaf) :]
            self._keys[leaf] = tuple(self._above(name) for name in steps)
        return self._keys[leaf]

    def _above(self, name: NodeName) -> _Above:
        held, share = self._left(name), self.position.shares[name]
        if name in self.path:
            held += self.request.cards
        return (False, held / share) if share else (True, held)
