"""What decisions look up in lists is what looking at every slice and every card finds."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.admission.met_limits import Without, beyond, group_bounds, person_bounds
from sublet_quota.admission.slice_admission import Option
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_amounts import NOTHING
from sublet_quota.holdings.gpu_load import Holding, room_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import SliceId
from sublet_quota.placement.finding.free_room import find_free
from sublet_quota.placement.finding.making_way import Way, make_way, missing_on
from sublet_quota.placement.finding.question import Question, Seen
from sublet_quota.placement.finding.taking import take_somewhere
from sublet_quota.placement.refusing.no_room import borrows_no_more
from sublet_quota.placement.refusing.without_slices import WithoutSlices
from sublet_quota.placement.slice_placement import Placement, decide_slice, told
from sublet_quota.reasons.helping import HelpKind
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import ROOT, NodeName
from sublet_quota.shares.reclaim import Openings, Position, Taken, take

from tests.support.admission_cases import SmallHub
from tests.support.quota_cases import H100, L4, gpu

QUOTA = """
gpu_types: {H100: {match: '*H100*'}, L4: {match: '*L4*'}}
pools:
  - {name: fast, types: [H100], memory_overcommit: FACTOR, compute_overcommit: 2, default: true}
  - {name: slow, types: [L4], memory_overcommit: 1, lends: {fast: 50%}}
sizes:
  - {name: eighth, memory: 1/8, compute: 1/8}
  - {name: half, memory: 1/2, compute: 1/2}
  - {name: whole, memory: 1, compute: 1}
everyone: {limit: {slices: 5}}
groups:
  lab:
    guaranteed: {H100: 1}
    groups: {nlp: {guaranteed: {H100: 1/2}, weight: 3}, cv: {limit: {slices: 4}}}
  club: {guaranteed: {H100: 1/4, L4: 1/2}, limit: {slices: 6}, weight: 2}
  idle: {guaranteed: {H100: 1}, weight: 0}
"""
owners = st.sampled_from([f"user{number}" for number in range(9)])
groups = st.sampled_from([(), ("lab",), ("nlp",), ("cv", "club"), ("club",), ("idle", "cv")])
wishes = st.builds(
    RequestedSlice,
    owner=owners,
    groups=groups,
    size=st.sampled_from(["eighth", "half", "half", "whole"]),
    never_suspended=st.sampled_from([False, False, False, True]),
)
changes = st.sampled_from(["nothing", "nothing", "nothing", "remove", "fixed", "close"])
histories = st.lists(st.tuples(wishes, changes), min_size=15, max_size=45)


def hub_after(history: list[tuple[RequestedSlice, str]], factor: int) -> SmallHub:
    """A hub as it is once all of them have asked."""
    cards = [gpu(f"h{n}", H100, "node-a", n) for n in range(3)]
    cards += [gpu(f"l{n}", L4, "node-b", n) for n in range(2)]
    hub = SmallHub.under(QUOTA.replace("FACTOR", str(factor)), *cards)
    for number, (wish, change) in enumerate(history):
        granted = hub.hand_out(wish, f"s{number}")
        there = SliceId(f"s{number // 2}")
        if change == "remove":
            hub.holdings.remove(there)
        elif change == "fixed":
            hub.holdings.mark_unsuspendable(there, unsuspendable=True)
        elif change == "close" and isinstance(granted, Placement):
            facts = hub.holdings.gpu(granted.gpu_id)
            assert facts is not None
            hub.holdings.put_gpu(replace(facts, closed=None if facts.closed else "XID 79"))
    return hub


@settings(max_examples=60, deadline=None)
@given(histories, wishes, st.integers(1, 2))
def test_room_is_taken_where_looking_at_every_card_takes_it(
    history: list[tuple[RequestedSlice, str]], wish: RequestedSlice, factor: int
) -> None:
    holdings = hub_after(history, factor).holdings
    question = Question(holdings, wish)
    for option in question.admission.options:
        if find_free(question, (option,)) is None:
            assert take_somewhere(question, option, question.position(option)) == taken_naively(
                Question(holdings, wish), option
            )


def taken_naively(question: Question, option: Option) -> Way | None:
    """The card with the least to move, of the first on which there is enough and 16 further."""
    holdings, position = question.holdings, question.position(option)
    alone, amount = question.wish.never_suspended, option.asked.amount
    if alone and option.rank is not Rank.ENTITLED:
        return None
    found = []
    for facts, room in question.cards(option):
        missing = missing_on(holdings, facts, room, amount, alone=alone)
        if missing is not None and not facts.pause_only:
            found.append((missing, facts))
    best: Way | None = None
    for missing, facts in sorted(found, key=lambda card: max(0, card[0].memory_mib)):
        if best is not None and missing.memory_mib >= best.moved_mib:
            break
        way = make_way(question, option, position, facts, missing)
        if way is not None and (best is None or way.moved_mib < best.moved_mib):
            best = way
    return best


@settings(max_examples=60, deadline=None)
@given(histories, wishes, st.integers(1, 2))
def test_who_could_help_by_stopping_is_who_helps_where_all_is_added_up_anew(
    history: list[tuple[RequestedSlice, str]], wish: RequestedSlice, factor: int
) -> None:
    holdings = hub_after(history, factor).holdings
    answer = decide_slice(holdings, wish)
    if isinstance(answer, Refusal):
        stops = {HelpKind.STOP_ONE, HelpKind.STOP_ALL}
        stops |= {HelpKind.MEMBERS_STOP, HelpKind.SOMEBODY_STOPS}
        stopping = [(each.kind, each.names) for each in answer.helps if each.kind in stops]
        assert stopping == stops_naively(holdings, wish)


def stops_naively(holdings: Holdings, wish: RequestedSlice) -> list[tuple[HelpKind, tuple]]:
    question = Question(holdings, wish)
    options = WithoutSlices(question).options

    def is_granted(gone: list[Holding]) -> bool:
        return any(granted_without(question, option, gone) for option in options)

    slices = [one for one in holdings.slices() if one.is_notebook]
    own = [one for one in slices if one.owner == wish.owner]
    others = [one for one in slices if one.owner != wish.owner]
    found: list[tuple[HelpKind, tuple]] = []
    if any(is_granted([one]) for one in own):
        found.append((HelpKind.STOP_ONE, ()))
    elif len(own) > 1 and is_granted(own):
        found.append((HelpKind.STOP_ALL, ()))
    for group in sorted({option.group for option in options} - {None}):
        members = [one for one in others if one.group == group]
        if members and is_granted(members):
            return [*found, (HelpKind.MEMBERS_STOP, (group,))]
    if others and is_granted(others):
        found.append((HelpKind.SOMEBODY_STOPS, ()))
    return found


def granted_without(question: Question, option: Option, gone: list[Holding]) -> bool:
    """Whether limits and room allow a wish on holdings of which these slices were taken."""
    holdings, wish = question.holdings, question.wish
    guaranteed = holdings.tree(option.asked.gpu_type).root.guaranteed
    if wish.never_suspended and guaranteed:
        return False
    away = frozenset(one.slice_id for one in gone)
    if option.rank is Rank.BORROWED:
        fixed = [
            one
            for one in holdings.slices_of(wish.owner)
            if one.is_notebook and one.unsuspendable and one.slice_id not in away
        ]
        if fixed and (guaranteed or borrows_no_more(holdings, wish.owner, away)):
            return False
    left = [one for one in holdings.slices() if one.slice_id not in away]
    anew = Holdings(holdings.document, holdings.gpus_as_told(), left)
    asked = Question(anew, wish)
    rights = asked.admission.rights
    world = WithoutSlicesOf(anew)
    if beyond(group_bounds(world, option.group, option.asked)) is not None:
        return False
    if beyond(person_bounds(world, rights, option.asked)) is not None:
        return False
    if find_free(question, (option,)) is not None:
        return True
    cards = {facts.gpu_id: facts for facts, _ in question.cards(option)}
    for gpu_id in {one.gpu_id for one in gone} & cards.keys():
        pool = holdings.document.pools[holdings.pool_of(gpu_id)]
        room = room_on(cards[gpu_id], replace(anew.load(gpu_id), called_back=NOTHING), pool)
        if option.asked.amount.fits_in(room.free(shared=not wish.never_suspended)):
            return True
    return False


class WithoutSlicesOf:
    """What is held where the slices are gone in truth."""

    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings

    def held(self, node):
        return self.holdings.held(node)

    def counted(self, path, at, asked):
        return Without(self.holdings).counted(path, at, asked)

    def held_by(self, rights):
        return self.holdings.held_by(rights.owner)


@settings(max_examples=40, deadline=None)
@given(histories, st.integers(1, 2))
def test_what_may_open_a_taking_is_what_a_taking_begins_with(
    history: list[tuple[RequestedSlice, str]], factor: int
) -> None:
    holdings = hub_after(history, factor).holdings
    wish = RequestedSlice("user1", ("nlp",), size="half")
    question = Question(holdings, wish)
    for option in question.admission.options:
        position, request = question.position(option), question.request(option)
        openings = Openings(position, request)
        for facts in holdings.gpus():
            pieces = [holdings.piece(one.slice_id) for one in holdings.slices_on(facts.gpu_id)]
            here = [one for one in pieces if one is not None]
            most = take(position, request, request.cards * 1000, here)
            begins = isinstance(most, Taken) or most.takable > 0
            assert openings.are_in(here) == begins
            for need in (request.cards, request.cards / 4):
                assert openings.take(need, here) == take(position, request, need, here)


@settings(max_examples=40, deadline=None)
@given(histories, wishes, st.integers(1, 2))
def test_slices_that_may_go_first_are_found_where_they_are_borrowed(
    history: list[tuple[RequestedSlice, str]], wish: RequestedSlice, factor: int
) -> None:
    holdings = hub_after(history, factor).holdings
    question = Question(holdings, wish)
    for option in question.admission.options:
        gpu_type = option.asked.gpu_type
        position = question.position(option)
        openings = Openings(position, question.request(option))
        found = [
            one.slice_id
            for name, most in openings.givers(beside_path(position, option))
            for one in holdings.borrowed_at(gpu_type, name, most)
        ]
        of_type = [one for one in holdings.slices() if holdings.type_of(one.gpu_id) == gpu_type]
        pieces = [holdings.piece(one.slice_id) for one in of_type]
        first = [
            piece.piece_id
            for piece in pieces
            if piece is not None and openings.are_in([replace(piece, suspendable=True)])
        ]
        assert sorted(found) == sorted(first)


def beside_path(position: Position, option: Option) -> list[NodeName]:
    path, nodes = position.tree.paths[option.node], position.tree.nodes
    beside = [node.name for name in (ROOT, *path) for node in nodes[name].children]
    return [name for name in beside if name not in path[:-1]]


@settings(max_examples=40, deadline=None)
@given(histories, st.lists(wishes, min_size=2, max_size=5), st.integers(1, 2))
def test_what_was_seen_for_one_may_be_used_for_the_next_who_asks(
    history: list[tuple[RequestedSlice, str]], asked: list[RequestedSlice], factor: int
) -> None:
    holdings = hub_after(history, factor).holdings
    seen = Seen.nothing()
    for wish in asked:
        assert told(Question(holdings, wish, seen=seen)) == told(Question(holdings, wish))
