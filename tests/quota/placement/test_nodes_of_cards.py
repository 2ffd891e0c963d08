"""What nodes have beside their cards: who takes of it goes where it is left, and leaves most."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.node_amounts import NodeAmount, NodeNeed, NodeRoom
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.node_rooms import AskedBeside, NodeFacts
from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.preview.present_state import present_state
from sublet_quota.reasons.refusal import Refusal, RefusalReason

from tests.support.admission_cases import PARTS, SmallHub, holding_of
from tests.support.quota_cases import NOON, document, gpu, holdings, job_slice, notebook, part

GIB = 1024
LONE = "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
FREE_FOR_ALL = LONE + PARTS
GUARANTEED = (
    "gpu_types: {H100: {match: '*H100*'}}\n"
    f"{FREE_FOR_ALL}groups: {{lab: {{guaranteed: {{H100: 2}}}}}}\n"
)


def two_nodes(text: str = FREE_FOR_ALL) -> Holdings:
    """A card on each of ``node-a`` and ``node-b``."""
    return holdings(text, gpu("a", node="node-a"), gpu("b", node="node-b"))


def tell(held: Holdings, **cpus: float | None) -> None:
    """Tell how many CPUs nodes have: ``a`` is ``node-a``."""
    for name, many in cpus.items():
        milli = None if many is None else int(many * 1000)
        held.put_node(NodeFacts(NodeId(f"node-{name}"), NodeRoom(milli, None)))


def wish(
    cpus: float, size: str = "quarter", memory_gib: int = 0, groups: tuple[str, ...] = ()
) -> RequestedSlice:
    takes = NodeNeed(NodeAmount(int(cpus * 1000), memory_gib * GIB))
    return RequestedSlice("ada", groups, size=size, takes=takes)


def place(held: Holdings, asked: RequestedSlice) -> str:
    answer = decide_slice(held, asked)
    assert isinstance(answer, Placement), answer
    return answer.gpu_id


@pytest.mark.parametrize("node", ["a", "b"])
def test_a_card_whose_node_has_too_little_cpu_left_is_no_candidate(node: str) -> None:
    held = two_nodes()
    tell(held, **{"a": 4, "b": 4, node: 8})
    assert place(held, wish(8)) == node


@pytest.mark.parametrize("node", ["a", "b"])
def test_that_holds_for_who_is_entitled_as_well(node: str) -> None:
    held = two_nodes(GUARANTEED)
    tell(held, **{"a": 4, "b": 4, node: 8})
    assert place(held, wish(8, groups=("lab",))) == node


def test_a_jobs_pod_makes_way_for_a_server() -> None:
    held = two_nodes()
    tell(held, a=8, b=4)
    held.put(replace(job_slice("j", "bob", part(0.25), "a"), takes=NodeAmount(8000)))
    assert place(held, wish(8)) == "a"
    held.put(replace(notebook("n", "bob", part(0.25), "a"), takes=NodeAmount(8000)))
    assert isinstance(decide_slice(held, wish(8)), Refusal)


def test_what_is_not_told_bounds_nothing() -> None:
    held = two_nodes()
    tell(held, a=1)
    assert place(held, wish(500)) == "b"
    tell(held, a=None)
    held.put_node(NodeFacts(NodeId("node-b"), NodeRoom(1000, None)))
    assert place(held, wish(500)) == "a"


@pytest.mark.parametrize(
    ("room", "asked", "numbers", "words"),
    [
        (
            NodeRoom(6000, None),
            wish(6.5),
            {"takes_cpu_milli": 6500, "node_cpu_milli": 6000},
            "that takes 6.5 CPU, and 'node-a' has 6 CPU left",
        ),
        (
            NodeRoom(6000, 8 * GIB),
            wish(6, memory_gib=9),
            {"takes_mib": 9 * GIB, "node_mib": 8 * GIB},
            "that takes 9 GiB of its memory, and 'node-a' has 8 GiB left",
        ),
    ],
)
def test_a_refusal_says_what_of_the_node_is_too_little(
    room: NodeRoom, asked: RequestedSlice, numbers: dict[str, int], words: str
) -> None:
    held = holdings(FREE_FOR_ALL, gpu("a"))
    held.put_node(NodeFacts(NodeId("node-a"), room))
    answer = decide_slice(held, asked)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.NO_ROOM
    assert numbers.items() <= answer.numbers.items()
    assert words in answer.message


def test_it_says_so_where_it_is_known_what_people_ask_for_too() -> None:
    held = holdings(FREE_FOR_ALL, gpu("a"))
    tell(held, a=6)
    held.asked_sizes = {"quarter": 5}
    # Who can never be suspended takes nobody's place: only free cards are looked at.
    answer = decide_slice(held, replace(wish(6.5), never_suspended=True))
    assert isinstance(answer, Refusal)
    assert answer.numbers.get("takes_cpu_milli") == 6500


def test_what_a_slice_takes_is_taken_until_it_is_given_back() -> None:
    held = holdings(FREE_FOR_ALL, gpu("a"))
    tell(held, a=10)
    first = decide_slice(held, wish(6))
    assert isinstance(first, Placement)
    holding = holding_of(first, "s1")
    assert holding.takes == NodeAmount(6000)
    held.put(holding)
    assert held.node_room(NodeId("node-a")) == NodeRoom(4000, None)
    assert isinstance(decide_slice(held, wish(6)), Refusal)
    assert isinstance(decide_slice(held, wish(4)), Placement)
    with held.without(SliceId("s1")):
        assert isinstance(decide_slice(held, wish(6)), Placement)
    held.remove(SliceId("s1"))
    assert isinstance(decide_slice(held, wish(6)), Placement)


def test_a_node_that_is_told_less_than_is_taken_refuses_only_who_takes_of_it() -> None:
    held = holdings(FREE_FOR_ALL, gpu("a"))
    held.put(replace(notebook("s", "bob", part(0.25), "a"), takes=NodeAmount(8000)))
    tell(held, a=4)
    assert isinstance(decide_slice(held, wish(0.001)), Refusal)
    assert place(held, wish(0)) == "a"


def test_much_cpu_goes_where_free_cards_keep_enough_of_it() -> None:
    gpus = [gpu(f"{node}{n}", node=f"node-{node}", index=n) for node in "ab" for n in range(2)]
    for scarce, plenty in ("ab", "ba"):
        held = holdings(FREE_FOR_ALL, *gpus)
        held.asked_beside = {AskedBeside("whole", 1, NodeNeed(NodeAmount(8000))): 5}
        tell(held, **{scarce: 16, plenty: 64})
        assert place(held, wish(16, "whole"))[0] == plenty


def test_a_node_stays_whole_for_who_asks_for_several_cards_at_once() -> None:
    gpus = [gpu(f"a{n}", node="node-a", index=n) for n in range(2)]
    held = holdings(FREE_FOR_ALL, *gpus, gpu("b", node="node-b"))
    tell(held, a=64, b=64)
    held.asked_beside = {AskedBeside("whole", 2): 1, AskedBeside("whole"): 9}
    assert place(held, wish(0, "whole")) == "b"


def test_what_is_told_of_nodes_goes_on_under_another_document_and_in_a_preview() -> None:
    held = two_nodes()
    tell(held, a=4, b=8)
    held.asked_beside = {AskedBeside("whole", 2): 1}
    for copy in (held.under(document(FREE_FOR_ALL), NOON), present_state(held).holdings()):
        assert copy.nodes_told.told == held.nodes_told.told
        assert copy.asked_beside == held.asked_beside
        assert place(copy, wish(8)) == "b"


STEP = st.tuples(
    st.sampled_from(["ask", "leave", "tell", "close"]),
    st.sampled_from(["quarter", "half", "whole"]),
    st.integers(0, 3),
    st.integers(0, 12),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(STEP, max_size=14))
def test_what_is_kept_from_one_decision_to_the_next_changes_no_decision(
    steps: list[tuple[str, str, int, int]],
) -> None:
    cards = [gpu(f"{node}{n}", node=f"node-{node}", index=n) for node in "abc" for n in range(2)]
    held = holdings(FREE_FOR_ALL, *cards)
    tell(held, a=8, b=16, c=None)
    held.asked_beside = {
        AskedBeside("quarter", 1, NodeNeed(NodeAmount(2000))): 5,
        AskedBeside("whole", 2, NodeNeed(NodeAmount(8000))): 2,
    }
    for number, (what, size, which, many) in enumerate(steps):
        names = sorted(each.slice_id for each in held.slices())
        match what:
            case "ask":
                asked = wish(many, size)
                answer = decide_slice(held, asked)
                assert told(answer) == told(decide_slice(anew(held), asked))
                if isinstance(answer, Placement) and not answer.calls_back:
                    held.put(holding_of(answer, f"s{number}"))
            case "leave" if names:
                held.remove(names[which % len(names)])
            case "tell":
                tell(held, **{"abc"[which % 3]: many or None})
            case "close":
                card = cards[which]
                known = held.gpu(card.gpu_id)
                closed = None if known is None or known.closed else "XID 79"
                held.put_gpu(replace(card, closed=closed))


def anew(held: Holdings) -> Holdings:
    """The same, added up from scratch."""
    return present_state(held).holdings()


def told(answer: Placement | Refusal) -> object:
    return answer.reason if isinstance(answer, Refusal) else answer.gpu_id


def test_of_nodes_that_are_alike_no_name_decides() -> None:
    names = [f"node-{number}" for number in range(24)]
    gpus: list[GpuFacts | Holding] = [gpu(f"on-{name}", node=name) for name in names]
    held = holdings(FREE_FOR_ALL, *gpus)
    for name in names:
        held.put_node(NodeFacts(NodeId(name), NodeRoom(64_000, None)))
    held.asked_sizes = {"quarter": 1}
    order = []
    for _ in names:
        order.append(place(held, wish(1, "whole")))
        held.remove_gpu(GpuId(order[-1]))
    assert sorted(order) == sorted(one.gpu_id for one in gpus if isinstance(one, GpuFacts))
    assert order not in (sorted(order), sorted(order, reverse=True))


def test_memory_for_the_slices_own_cap_is_reckoned_on_each_kind_of_card() -> None:
    text = f"{LONE}{PARTS}"
    large, small = gpu("a", node="node-a"), gpu("b", node="node-b")
    held = holdings(text, large, replace(small, kind=replace(small.kind, memory_mib=24 * GIB)))
    for node in "ab":
        held.put_node(NodeFacts(NodeId(f"node-{node}"), NodeRoom(None, 24 * GIB)))
    asked = RequestedSlice("ada", size="half", takes=NodeNeed(NodeAmount(), of_cap_milli=1000))
    answer = decide_slice(held, asked)
    assert isinstance(answer, Placement)
    assert answer.gpu_id == "b"
    assert answer.takes == NodeAmount(0, answer.amount.memory_mib)
    held.remove_gpu(GpuId("b"))
    refused = decide_slice(held, asked)
    assert isinstance(refused, Refusal)
    assert refused.numbers["node_mib"] == 24 * GIB
    assert refused.numbers["takes_mib"] > 24 * GIB


WISH = st.tuples(
    st.sampled_from(["quarter", "half", "whole"]),
    st.integers(0, 6),
    st.integers(0, 40),
    st.sampled_from([0, 500, 1000]),
    st.sampled_from([(), ("lab",)]),
)
ROOMS = st.tuples(st.integers(0, 12), st.integers(0, 200))


@settings(max_examples=100, deadline=None)
@given(st.lists(ROOMS, min_size=2, max_size=2), st.lists(WISH, max_size=12))
def test_no_node_is_given_more_than_it_has(
    rooms: list[tuple[int, int]], wishes: list[tuple[str, int, int, int, tuple[str, ...]]]
) -> None:
    cards = [gpu(f"{node}{n}", node=f"node-{node}", index=n) for node in "ab" for n in range(2)]
    hub = SmallHub(holdings(GUARANTEED, *cards))
    for node, (cpus, memory_gib) in zip("ab", rooms, strict=True):
        told_room = NodeRoom(cpus * 1000, memory_gib * GIB)
        hub.holdings.put_node(NodeFacts(NodeId(f"node-{node}"), told_room))
    for number, (size, cpus, memory_gib, of_cap, groups) in enumerate(wishes):
        takes = NodeNeed(NodeAmount(cpus * 1000, memory_gib * GIB), of_cap)
        asked = RequestedSlice(f"user-{number}", groups, size=size, takes=takes)
        hub.hand_out(asked, f"s{number}")
        for node in "ab":
            left = hub.holdings.node_room(NodeId(f"node-{node}"))
            assert left.cpu_milli is not None
            assert left.memory_mib is not None
            assert min(left.cpu_milli, left.memory_mib) >= 0
