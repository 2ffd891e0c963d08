"""A small model of cards on which waiting jobs start in the fair order and end: a clock of its own.

The first in the order waits until it fits and lets nobody pass, so that large jobs and small ones
are treated alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction

from sublet_quota.names.ids import UserName
from sublet_quota.shares.fair_order import RequestId, WaitingRequest, fair_order
from sublet_quota.shares.group_tree import GroupTree, NodeName
from sublet_quota.shares.past_use import (
    CardUse,
    Span,
    WrittenOff,
    lag_written_off,
    past_use,
    use_of,
)

from tests.support.quota_cases import NOON

TICK = timedelta(minutes=10)
HALF_LIFE = timedelta(hours=8)
MOST_LAG = timedelta(hours=4)
ONE = Fraction(1)


@dataclass(frozen=True)
class Kind:
    """The jobs of one group: how large, how long, how long they say."""

    group: NodeName
    cards: Fraction
    lasts: timedelta
    says: timedelta | None = None
    at_once: int = 3
    """How many of them wait at any time."""
    from_h: float = 0


@dataclass
class CardModel:
    tree: GroupTree
    cards: Fraction
    kinds: Sequence[Kind]
    uses: list[tuple[NodeName, CardUse]] = field(default_factory=list)
    ends: dict[int, timedelta] = field(default_factory=dict)
    waiting: list[tuple[WaitingRequest, Kind]] = field(default_factory=list)
    written_off: list[WrittenOff] = field(default_factory=list)
    at: timedelta = timedelta()
    made: int = 0

    def run(self, until_h: float) -> None:
        while self.at < timedelta(hours=until_h):
            self._end()
            self._submit()
            self._start()
            self.at += TICK

    def had(self, group: str, from_h: float, to_h: float) -> float:
        """The card-hours that a group had in a time."""
        first, last = NOON + timedelta(hours=from_h), NOON + timedelta(hours=to_h)
        total = 0.0
        for node, use in self.uses:
            if group in self.tree.paths[node]:
                ended = last if use.span.ended is None else min(last, use.span.ended)
                time = ended - max(first, use.span.began)
                total += float(use.cards) * max(0.0, time / timedelta(hours=1))
        return total

    def _end(self) -> None:
        now = NOON + self.at
        for number in [n for n, end in self.ends.items() if end <= self.at]:
            del self.ends[number]
            node, use = self.uses[number]
            self.uses[number] = node, replace(use, span=Span(use.span.began, now))

    def _submit(self) -> None:
        for kind in self.kinds:
            if self.at < timedelta(hours=kind.from_h):
                continue
            there = sum(1 for _, other in self.waiting if other is kind)
            for _ in range(kind.at_once - there):
                self.made += 1
                estimate = use_of(self._use(kind), NOON + self.at, HALF_LIFE)
                request = WaitingRequest(
                    RequestId(f"{self.made}"),
                    kind.group,
                    UserName(kind.group),
                    NOON + self.at,
                    self.made * 7919 % 1009,
                    estimate,
                )
                self.waiting.append((request, kind))

    def _start(self) -> None:
        kinds = {request.request_id: kind for request, kind in self.waiting}
        running = sum((self.uses[n][1].cards for n in self.ends), Fraction(0))
        used = self._used({kind.group for _, kind in self.waiting})
        for request in fair_order(self.tree, used, {}, [request for request, _ in self.waiting]):
            kind = kinds[request.request_id]
            if running + kind.cards > self.cards:
                break
            running += kind.cards
            self.waiting.remove((request, kind))
            self.ends[len(self.uses)] = self.at + kind.lasts
            self.uses.append((kind.group, self._use(kind)))

    def _use(self, kind: Kind) -> CardUse:
        says = kind.lasts if kind.says is None else kind.says
        return CardUse(kind.cards, ONE, Span(NOON + self.at), estimate=says)

    def _used(self, asking: Iterable[NodeName]) -> dict[NodeName, float]:
        """What all used, but for what is beyond ``most_lag``: that is written off, once."""
        now = NOON + self.at
        used = past_use(self.tree, self.uses, now, HALF_LIFE, self.written_off)
        siblings = {
            node.name: node.weight
            for node in self.tree.root.children
            if any(node.name in self.tree.paths[leaf] for leaf in asking)
        }
        full = float(self.cards) * MOST_LAG.total_seconds()
        for each in lag_written_off(siblings, used, full, now):
            self.written_off.append(each)
            used[each.node] -= each.amount
        return used
