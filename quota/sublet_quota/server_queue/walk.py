"""The walk along the line: who finds a place, who keeps a card, and who is told to wait for whom.

Whoever is looked at first finds the room first. Of each GPU type the first that has no place keeps
the card on which least is missing: nobody who comes later gets a place there, so that small ones
never starve a large one (conservative backfill); where host memory alone is missing, it keeps the
node. What is on the card ends one after another, and nothing comes beside it from the line, so less
and less is missing. What is within a guarantee has its place there all the same. A limit holds up
those alone whom it concerns: what comes free there is kept alike (``kept_limits``). Who could be on
several types leaves the card that one behind it finds no other for (``leaving``).

Of very many that all ask for something else the first ``MOST_LOOKED_AT`` are looked at: as these
get their places, or leave, others follow.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Final

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.slice_admission import Option
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, NodeId, UserName
from sublet_quota.placement.finding.making_way import Missing, missing_on
from sublet_quota.placement.finding.question import Question, Seen, Waiting
from sublet_quota.placement.refusing.no_room import borrows_no_more
from sublet_quota.placement.slice_placement import Placement, decided
from sublet_quota.reasons.derivation import Rule
from sublet_quota.reasons.refusals.room import SHORT_ON_NODE, RoomRefusal
from sublet_quota.server_queue.kept_limits import KeptLimits
from sublet_quota.server_queue.leaving import beside_others
from sublet_quota.server_queue.payers import Payers, without_owner
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Bound

MOST_LOOKED_AT: Final = 200
_MOST_BEHIND: Final = 4
"""So many different wishes are looked at of those behind one whose turn it is."""
_DUE: Final = frozenset({Rule.GUARANTEE, Rule.AS_BEFORE})
"""What nothing is kept from, and what waits behind nobody."""


@dataclass(frozen=True, slots=True)
class Behind:
    """There is room, on a card or below a limit that is kept for those before."""

    limit: Bound | None = None
    """The limit, where no card has to do with it."""


BEHIND: Final = Behind()


@dataclass(frozen=True, slots=True)
class Step:
    """One of the line, and what becomes of it."""

    server: QueuedServer
    question: Question
    answer: Placement | Denial | Behind
    keeps: GpuId | None = None
    """The card that is kept for it."""


def is_due(placement: Placement) -> bool:
    """Whether a place is had whoever waits in line: it is within a guarantee, or as before."""
    return placement.why.rule in _DUE


def _never() -> bool:
    return False


def walk(
    holdings: Holdings,
    ordered: Sequence[QueuedServer],
    payers: Payers | None = None,
    has_changed: Callable[[], bool] = _never,
) -> Iterator[Step]:
    """Yield what becomes of those in line, in their order, as far as they are looked at.

    Nobody's place changes what there is for those behind: whoever acts on a place begins anew.
    ``payers``: of these holdings, where some were looked up already. ``has_changed``: whether
    anything is held otherwise since this was asked last, by who walks on all the same: what was
    added up before is not counted on then.
    """
    line = _Line(holdings, ordered, payers or Payers(holdings))
    for server in ordered:
        if line.looked_at == MOST_LOOKED_AT:
            return
        if has_changed():
            line.add_up_anew()
        yield line.step(server)


class _Line:
    """What is known of the line so far."""

    def __init__(self, holdings: Holdings, ordered: Sequence[QueuedServer], payers: Payers) -> None:
        self._holdings = holdings
        self._payers = payers
        self._ordered = ordered
        self._place = 0
        """How many of the line were looked at, or told what others were."""
        self._asks = self._all_asks(ordered)
        self._kept: dict[str, GpuId] = {}
        """By type: the card of the first that has no place."""
        self._kept_beside: frozenset[GpuId] = frozenset()
        """All cards of nodes on which host memory is kept for the first of a type."""
        self._kept_limits = KeptLimits()
        self._seen, self._seen_beside_kept = Seen.nothing(), Seen.nothing()
        self._denied: dict[_Asks, Denial | Behind] = {}
        """What was said to others who ask for the same, where their owners had no part in it."""
        self.looked_at = 0
        """At how many different wishes was looked."""

    def add_up_anew(self) -> None:
        """Count on nothing of what was added up: slices of it may be gone."""
        self._seen, self._seen_beside_kept = Seen.nothing(), Seen.nothing()

    def step(self, server: QueuedServer) -> Step:
        """Return what becomes of the next one."""
        self._place += 1
        question = self._question(server)
        key = _asks(question)
        if key in self._denied:
            return Step(server, question, self._denied[key])
        self.looked_at += 1
        answer = self._answer(question)
        if isinstance(answer, Placement) and not is_due(answer):
            answer = self._leaving(server, self._kept_limits.beside(question), answer)
        if isinstance(answer, Behind) or (isinstance(answer, Denial) and _is_of_room(answer)):
            self._denied[key] = answer
        keeps = None
        if isinstance(answer, Denial) and _is_of_room(answer):
            keeps = self._keep_node(question, answer) or self._keep(question)
            if keeps is not None:
                gpu_type = self._holdings.type_of(keeps) or ""
                self._kept_limits.keep_beside_card(question, gpu_type)
        elif isinstance(answer, Denial) and answer.rule is Rule.LIMIT:
            self._kept_limits.keep_full(question)
        return Step(server, question, answer, keeps)

    def _answer(self, question: Question) -> Placement | Denial | Behind:
        answer = decided(question)
        if isinstance(answer, Denial) or is_due(answer):
            return answer
        kept = frozenset(self._kept.values()) | self._kept_beside
        is_free = answer.gpu_id not in kept and kept.isdisjoint(to for _, to in answer.moves)
        if is_free and not self._kept_limits.meets(question, answer):
            return answer
        seen = self._seen_beside_kept.for_another()
        beside = self._kept_limits.beside(replace(question, kept=kept, seen=seen))
        left, options = beside.admission, question.admission.options
        found = decided(beside) if left.options or left.beyond_groups else None
        if isinstance(found, Placement):
            return found
        if left.options:
            return BEHIND
        limits = (self._kept_limits.in_the_way(question, option) for option in options)
        return Behind(next(limits, None))

    def _leaving(self, server: QueuedServer, question: Question, placement: Placement) -> Placement:
        """Leave the card to the next that finds no other, where there is another for this one."""
        types = self._payers.of(server).cards.keys()
        if len(types) == 1:
            return placement
        known = {_asks(question)}
        behind: list[Question] = []
        for other in islice(self._ordered, self._place, self._place + MOST_LOOKED_AT):
            if len(behind) == _MOST_BEHIND:
                break
            if types.isdisjoint(self._payers.of(other).cards):
                continue
            asked = self._question(other)
            if _asks(asked) not in known:
                known.add(_asks(asked))
                behind.append(asked)
        kept = frozenset(self._kept.values()) | self._kept_beside
        return beside_others(placement, question, behind, kept)

    def _keep(self, question: Question) -> GpuId | None:
        """Keep the card on which least is missing, where its type has no card kept yet."""
        found = min(
            (
                (missing.cards(facts.kind.usable_mib), facts.node, facts.index, facts.gpu_id, name)
                for option in question.admission.options
                for name in (option.asked.gpu_type,)
                if name not in self._kept
                for facts, missing in cards_for(question, option)
            ),
            default=None,
        )
        if found is None:
            return None
        *_, gpu_id, gpu_type = found
        self._kept[gpu_type] = gpu_id
        self._seen_beside_kept = Seen.nothing()
        return gpu_id

    def _keep_node(self, question: Question, denial: Denial) -> GpuId | None:
        """Keep a node that alone has too little, as its cards have that together."""
        if denial.code not in SHORT_ON_NODE:
            return None
        node = NodeId(str(denial.facts["node"]))
        there = sorted(facts.gpu_id for facts in self._holdings.gpus_on(node))
        for option in question.admission.options:
            name = option.asked.gpu_type
            cards = [gpu_id for gpu_id in there if self._holdings.type_of(gpu_id) == name]
            if cards and name not in self._kept:
                self._kept[name] = cards[0]
                self._kept_beside |= set(there)
                self._seen_beside_kept = Seen.nothing()
                return cards[0]
        return None

    def _question(self, server: QueuedServer) -> Question:
        payer = self._payers.of(server)
        waiting = self._asks
        if payer.first is not None:
            gpu_type, cards = payer.first
            leaf = self._holdings.leaf_for(payer.group, server.owner)
            waiting = _less(waiting, gpu_type, leaf, cards)
        seen = self._seen.for_another()
        return Question(self._holdings, server.wish, waiting=waiting, seen=seen)

    def _all_asks(self, ordered: Sequence[QueuedServer]) -> Waiting:
        asks: defaultdict[str, defaultdict[NodeName, Fraction]] = defaultdict(
            lambda: defaultdict(Fraction)
        )
        for server in ordered:
            payer = self._payers.of(server)
            if payer.first is not None:
                gpu_type, cards = payer.first
                asks[gpu_type][self._holdings.leaf_for(payer.group, server.owner)] += cards
        return asks


_Asks = tuple[RequestedSlice, object]
"""A wish as others may have it, too, and what its owner's own slices leave of it."""


def _asks(question: Question) -> _Asks:
    """Return what decides on a wish besides cards and groups: the same for who has nothing yet."""
    holdings, owner = question.holdings, UserName(question.wish.owner)
    wish = without_owner(holdings, question.wish)
    if not holdings.held_by(owner).slices:
        return wish, None
    admission = question.admission
    allowed = (
        tuple((option.node, option.asked) for option in options)
        for options in (admission.options, admission.beyond_groups)
    )
    return wish, (*allowed, borrows_no_more(holdings, owner))


def cards_for(question: Question, option: Option) -> Iterator[tuple[GpuFacts, Missing]]:
    """Yield the open cards on which an option may come to lie, and what is missing there."""
    alone = question.wish.never_suspended
    for facts, room in question.cards(option):
        missing = missing_on(question.holdings, facts, room, option.asked.amount, alone=alone)
        if missing is not None:
            yield facts, missing


def opening(question: Question, option: Option) -> Iterator[tuple[GpuFacts, Missing]]:
    """Yield the cards that open at a stated time and may take an option, and what is missing."""
    holdings, alone = question.holdings, question.wish.never_suspended
    for pool in question.pools(option):
        index = holdings.kinds_in(pool).get(option.asked.kind)
        for gpu_id in () if index is None else index.closed:
            facts, room = holdings.gpu(gpu_id), holdings.room(gpu_id)
            if facts is None or room is None or facts.closed_until is None or facts.closed_for_good:
                continue
            if question.may_have(replace(facts, closed=None), option):
                missing = missing_on(holdings, facts, room, option.asked.amount, alone=alone)
                if missing is not None:
                    yield facts, missing


def _is_of_room(denial: Denial) -> bool:
    """Whether room alone is missing, whoever owns it."""
    return denial.rule is Rule.ROOM and denial.code is not RoomRefusal.BORROWS_NO_MORE


def _less(waiting: Waiting, gpu_type: str, leaf: NodeName, cards: Fraction) -> Waiting:
    """Return what others wait for, without one's own."""
    of_type: Mapping[NodeName, Fraction] = waiting[gpu_type]
    return {**waiting, gpu_type: {**of_type, leaf: of_type.get(leaf, NO_CARD) - cards}}
