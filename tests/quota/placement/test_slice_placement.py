"""Placement: the tightest GPU, alone before shared, and never beyond what a GPU gives."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.home_claim import HomeInUse
from sublet_quota.names.ids import NodeId
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.refusal import Refusal, RefusalReason

from tests.support.admission_cases import hand_out
from tests.support.quota_cases import H100, L4, document, gib, gpu, holdings, notebook

WHOLE_ONLY = "sizes: [{name: s, memory: 1/1, compute: 1}]\neveryone: {own_amounts: true}"
ONCE = WHOLE_ONLY + "\npools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]"
TWICE = WHOLE_ONLY + "\npools: [{name: interactive, memory_overcommit: 2, compute_overcommit: 2}]"


def wish(amount_gib: float, compute_milli: int = 1, gpu_type: str | None = None) -> RequestedSlice:
    return RequestedSlice(
        "zoe",
        memory_mib=int(amount_gib * 1024),
        compute_milli=compute_milli,
        gpu_type=gpu_type,
    )


@dataclass(frozen=True)
class Case:
    wish: RequestedSlice
    world: tuple[GpuFacts | Holding, ...]
    place: str
    document: str = TWICE


#            a: [####    ]   b: [######  ]   c: [        ]      # promised
PLACED = {
    "the tightest GPU on which all fit together": Case(
        wish(19),
        (
            gpu("a"),
            gpu("b"),
            gpu("c"),
            notebook("x", amount=gib(40), on="a"),
            notebook("y", amount=gib(60), on="b"),
        ),
        "b",
    ),
    "an empty GPU before one that would be shared": Case(
        wish(40),
        (gpu("a"), gpu("b"), notebook("x", amount=gib(60), on="a")),
        "b",
    ),
    "an empty GPU before one whose compute would be shared": Case(
        wish(10, 600),
        (gpu("a"), gpu("b"), notebook("x", amount=gib(10, 500), on="a")),
        "b",
    ),
    "the tightest of the shared ones where none is left alone": Case(
        wish(30),
        (
            gpu("a"),
            gpu("b"),
            notebook("x", amount=gib(60), on="a"),
            notebook("y", amount=gib(70), on="b"),
        ),
        "b",
    ),
    "one with compute left, though another is tighter in memory": Case(
        wish(10, 500),
        (
            gpu("a"),
            gpu("b"),
            notebook("x", amount=gib(60, 800), on="a"),
            notebook("y", amount=gib(20, 100), on="b"),
        ),
        "b",
    ),
    "the first by node and index of equally tight ones": Case(
        wish(10),
        (gpu("z", node="n1", index=1), gpu("a", node="n2", index=0), gpu("y", node="n1", index=0)),
        "y",
    ),
    "the smaller of two kinds": Case(wish(20), (gpu("h", H100), gpu("l", L4)), "l"),
    "the kind that is wished for": Case(
        wish(20, gpu_type="*H100*"), (gpu("h", H100), gpu("l", L4)), "h"
    ),
    "an open GPU though a closed one is tighter": Case(
        wish(20), (gpu("h", H100), gpu("l", L4, closed="XID 79")), "h"
    ),
}


@pytest.mark.parametrize("name", PLACED)
def test_a_slice_goes_to(name: str) -> None:
    case = PLACED[name]
    answer = decide_slice(holdings(case.document, *case.world), case.wish)
    assert isinstance(answer, Placement), answer
    assert answer.gpu_id == case.place


FULL = {
    "a GPU without overcommit that is full": (
        wish(20), ONCE, (notebook("x", amount=gib(60)),), gib(19, 999)
    ),
    "a GPU that is promised as often as may be": (
        wish(20), TWICE,
        (notebook("x", amount=gib(79)), notebook("y", amount=gib(62))), gib(19, 1998)
    ),
    "compute that is promised as often as may be": (
        wish(1, 500), TWICE,
        (notebook("x", amount=gib(1, 1000)), notebook("y", amount=gib(1, 600))), gib(79, 400)
    ),
    "the rest that an unsuspendable slice leaves": (
        wish(50), TWICE, (notebook("x", amount=gib(40), unsuspendable=True),), gib(39, 1999)
    ),
    "a GPU on which others' processes run: nothing is shared there": (
        wish(20), TWICE, (gpu(pause_only=True), notebook("x", amount=gib(60))), gib(19, 1999)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FULL)
def test_there_is_no_room_on(name: str) -> None:
    asked, text, world, most = FULL[name]
    answer = decide_slice(holdings(text, *world), asked)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.NO_ROOM
    assert f"has {most}" in answer.message
    assert answer.numbers["free_mib"] == most.memory_mib
    assert answer.numbers["free_milli"] == most.compute_milli
    assert answer.numbers["asked_mib"] == asked.memory_mib


AT_HOME = HomeInUse(NodeId("node-b"), "your job 'train'")
TWO_NODES = (gpu("a"), gpu("b", node="node-b"), gpu("c", node="node-b", index=1))


def test_a_slice_goes_where_its_owner_s_files_are_in_use() -> None:
    held = holdings(TWICE, *TWO_NODES, notebook("x", amount=gib(40), on="a"))
    assert decide_slice(held, wish(20)).gpu_id == "a"
    assert decide_slice(held, replace(wish(20), home=AT_HOME)).gpu_id == "b"


def test_there_too_it_goes_where_all_fit_together_before_it_takes_turns() -> None:
    held = holdings(TWICE, *TWO_NODES, notebook("x", amount=gib(70), on="b"))
    at_home = replace(wish(20), home=AT_HOME)
    assert decide_slice(held, at_home).gpu_id == "c"
    held.put(notebook("y", amount=gib(60), on="c"))
    assert decide_slice(held, at_home).gpu_id == "b"
    assert isinstance(decide_slice(held, replace(at_home, never_suspended=True)), Refusal)


def test_who_finds_no_room_beside_their_files_is_told_what_has_them_and_what_to_do() -> None:
    held = holdings(ONCE, *TWO_NODES, notebook("x", amount=gib(60), on="b"))
    held.put_gpu(gpu("c", node="node-b", index=1, closed="XID 79"))
    answer = decide_slice(held, replace(wish(20), home=AT_HOME))
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.NO_ROOM
    assert "in use on node 'node-b', by your job 'train'" in answer.message
    assert f"has {gib(19, 999)}" in answer.message
    assert "Ask for 19 GiB, 0.001 GPU or less" in answer.message
    assert answer.numbers["free_mib"] == 19 * 1024


def test_a_node_with_the_files_and_without_a_gpu_of_the_pool_is_said_so() -> None:
    elsewhere = HomeInUse(NodeId("node-z"), "your server 'b'")
    answer = decide_slice(holdings(ONCE, *TWO_NODES), replace(wish(20), home=elsewhere))
    assert isinstance(answer, Refusal)
    assert "node 'node-z', by your server 'b'" in answer.message
    assert "takes new slices" in answer.message


def test_caps_may_add_up_to_twice_the_gpus_memory_where_overcommit_is_two() -> None:
    held = holdings(TWICE)
    for name, size in (("a", 79), ("b", 41), ("c", 40)):
        assert not isinstance(hand_out(held, wish(size), name), Refusal)
    assert held.load("gpu-0").notebooks.memory_mib == 2 * 80 * 1024
    assert isinstance(decide_slice(held, wish(1 / 1024)), Refusal)


def test_an_unsuspendable_slice_counts_with_its_full_cap_and_is_not_overcommitted() -> None:
    held = holdings(TWICE, notebook("fixed", "eve", gib(40), unsuspendable=True))
    # Twice the 40 GiB that are left, instead of twice 80; three are fewer than a user may have.
    for name, size in (("a", 39), ("b", 39), ("c", 2)):
        assert not isinstance(hand_out(held, wish(size), name), Refusal)
    refusal = decide_slice(held, wish(1))
    assert isinstance(refusal, Refusal)
    assert refusal.reason is RefusalReason.NO_ROOM


def test_a_slice_is_refused_once_its_neighbour_turns_out_unsuspendable() -> None:
    held = holdings(TWICE, notebook("x", "eve", gib(60)))
    assert not isinstance(decide_slice(held, wish(60)), Refusal)
    held.mark_unsuspendable("x", unsuspendable=True)
    assert isinstance(decide_slice(held, wish(60)), Refusal)
    assert not isinstance(decide_slice(held, wish(19)), Refusal)


def test_the_answer_does_not_depend_on_the_order_in_which_gpus_were_told() -> None:
    gpus = [gpu(f"g{n}", index=n) for n in range(6)]
    slices = [notebook(f"s{n}", amount=gib(10 * (n % 3)), on=f"g{n}") for n in range(1, 6)]
    answers = [
        decide_slice(Holdings(document(TWICE), order, slices), wish(20))
        for order in (gpus, gpus[::-1], gpus[3:] + gpus[:3])
    ]
    assert answers[0] == answers[1] == answers[2]


odd_kinds = st.builds(
    GpuKind,
    type=st.sampled_from(["a", "b"]),
    memory_mib=st.integers(1, 100_000),
    margin_mib=st.integers(0, 2000),
)
factors = st.sampled_from(["1", "1.1", "1.5", "2", "3.333"])
asked_for = st.builds(
    RequestedSlice,
    owner=st.sampled_from(["ada", "bob"]),
    size=st.sampled_from(["s", "quarter"]),
    gpu_type=st.sampled_from([None, "a"]),
) | st.builds(
    RequestedSlice,
    owner=st.just("eve"),
    memory_mib=st.integers(1, 100_000),
    compute_milli=st.integers(1, 1000),
)


@given(
    st.lists(st.tuples(odd_kinds, st.booleans()), min_size=1, max_size=5),
    st.lists(st.tuples(asked_for, st.booleans()), max_size=40),
    factors,
    factors,
)
def test_no_gpu_is_ever_promised_beyond_its_overcommit(
    gpus: list[tuple[GpuKind, bool]],
    asked: list[tuple[RequestedSlice, bool]],
    memory_factor: str,
    compute_factor: str,
) -> None:
    text = f"""
    pools: [{{name: p, memory_overcommit: {memory_factor}, compute_overcommit: {compute_factor}}}]
    sizes: [{{name: s, memory: 1/1, compute: 1}}, {{name: quarter, memory: 1/4, compute: 1/4}}]
    everyone: {{limit: {{slices: unlimited}}}}
    """
    facts = [gpu(f"g{n}", kind, index=n, pause_only=p) for n, (kind, p) in enumerate(gpus)]
    held = holdings(text, *facts)
    fixed: dict[str, int] = {}
    for number, (wished, unsuspendable) in enumerate(asked):
        granted = hand_out(held, wished, f"s{number}")
        if isinstance(granted, Refusal):
            continue
        on = held.gpu(granted.gpu_id)
        assert on is not None
        assert granted.amount.memory_mib + fixed.get(on.gpu_id, 0) <= on.kind.usable_mib
        if unsuspendable and not number % 3:
            held.mark_unsuspendable(granted.slice_id, unsuspendable=True)
            fixed[on.gpu_id] = fixed.get(on.gpu_id, 0) + granted.amount.memory_mib
    for each in facts:
        load = held.load(each.gpu_id)
        most = each.kind.memory_mib * float(memory_factor)
        if memory_factor == "1" or each.pause_only:
            most = each.kind.usable_mib
        assert load.notebooks.memory_mib <= most
        assert load.notebooks.compute_milli <= 1000 * float(compute_factor)


@given(st.lists(st.integers(0, 79), min_size=1, max_size=8), st.integers(1, 79))
def test_no_other_gpu_would_have_been_tighter(promised: list[int], asked: int) -> None:
    held = holdings(
        TWICE,
        *(gpu(f"g{n}", index=n) for n in range(len(promised))),
        *(
            notebook(f"s{n}", amount=gib(amount), on=f"g{n}")
            for n, amount in enumerate(promised)
            if amount
        ),
    )
    answer = decide_slice(held, wish(asked))
    assert isinstance(answer, Placement)
    left = {f"g{n}": 79 - amount - asked for n, amount in enumerate(promised)}
    alone = {name: room for name, room in left.items() if room >= 0}
    assert left[answer.gpu_id] == min((alone or left).values())
