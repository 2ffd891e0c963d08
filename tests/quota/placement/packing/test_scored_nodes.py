"""A request goes where least is lost to others, of cards and of what they need beside these."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.amounts.node_amounts import UNKNOWN_ROOM, NodeAmount, NodeRoom
from sublet_quota.names.ids import NodeId
from sublet_quota.placement.packing.asked_mix import CARD, AskedMix, Want
from sublet_quota.placement.packing.node_worth import (
    MOST_CHOICES,
    PERCENT_OF_NEED,
    WEIGHT_OF_SHORT,
    NodeWorth,
    Room,
)
from sublet_quota.placement.packing.scored_nodes import ScoredNodes

KIND = GpuKind("GPU", 1000, 0)


def want(milli: int, gpus: int = 1, cpu: int = 0, memory: int = 0) -> Want:
    return Want(GpuAmount(milli, milli), gpus, NodeAmount(cpu, memory))


def rooms(*milli: int) -> tuple[Room, ...]:
    return tuple((each, each) for each in milli)


def mix_of(*asked: tuple[Want, int]) -> AskedMix:
    mix = AskedMix.on(KIND, asked)
    assert mix is not None
    return mix


def scored(mix: AskedMix, **nodes: tuple[tuple[Room, ...], NodeRoom]) -> ScoredNodes:
    found = ScoredNodes(NodeWorth(mix))
    for name, (free, left) in nodes.items():
        found.put(NodeId(name), free, left)
    return found


def first(nodes: ScoredNodes, asked: Want) -> tuple[str, tuple[int, ...]] | None:
    for _, node, choice in nodes.best_first(asked):
        return node, tuple(memory for memory, _ in choice.taken)
    return None


HALVES_AND_WHOLES = mix_of((want(500), 5), (want(1000), 5))


@pytest.mark.parametrize(
    ("mix", "nodes", "asked", "place"),
    [
        (
            HALVES_AND_WHOLES,
            {"a": (rooms(1000, 500), UNKNOWN_ROOM)},
            want(500),
            ("a", (500,)),
        ),
        (
            mix_of((want(1000, 2), 1), (want(1000), 9)),
            {"pair": (rooms(1000, 1000), UNKNOWN_ROOM), "one": (rooms(1000), UNKNOWN_ROOM)},
            want(1000),
            ("one", (1000,)),
        ),
        (
            mix_of((want(1000, cpu=8000), 1)),
            {
                "scarce": (rooms(1000, 1000), NodeRoom(16_000, None)),
                "plenty": (rooms(1000, 1000), NodeRoom(64_000, None)),
            },
            want(1000, cpu=16_000),
            ("plenty", (1000,)),
        ),
        (
            mix_of((want(1000, cpu=8000), 1)),
            {
                "free": (rooms(1000, 1000), NodeRoom(16_000, None)),
                "full": (rooms(0, 0), NodeRoom(2000, None)),
            },
            want(0, 0, cpu=1000),
            ("full", ()),
        ),
        (
            mix_of((want(1000, memory=100), 1)),
            {
                "scarce": (rooms(1000, 1000), NodeRoom(None, 200)),
                "plenty": (rooms(1000, 1000), NodeRoom(None, 900)),
            },
            want(1000, memory=200),
            ("plenty", (1000,)),
        ),
        (
            HALVES_AND_WHOLES,
            {"a": (rooms(1000, 1000), NodeRoom(4000, None))},
            want(500, cpu=4001),
            None,
        ),
        (
            HALVES_AND_WHOLES,
            {"a": (rooms(1000), UNKNOWN_ROOM), "b": (rooms(1000), UNKNOWN_ROOM)},
            want(1000, 2),
            None,
        ),
        (
            HALVES_AND_WHOLES,
            {"a": (rooms(900, 600, 700, 400), UNKNOWN_ROOM)},
            want(500, 2),
            ("a", (600, 700)),
        ),
    ],
    ids=[
        "the card of which nothing whole is broken",
        "a pair stays whole for who asks for two",
        "much CPU: where the cards keep enough",
        "no card: where there is none that would need the CPU",
        "much memory: where the cards keep enough",
        "too little CPU: nowhere",
        "two cards are on one node, or nowhere",
        "of several cards the tightest",
    ],
)
def test_a_request_goes_where_others_lose_least(
    mix: AskedMix,
    nodes: dict[str, tuple[tuple[Room, ...], NodeRoom]],
    asked: Want,
    place: tuple[str, tuple[int, ...]] | None,
) -> None:
    assert first(scored(mix, **nodes), asked) == place


@dataclass(frozen=True)
class Change:
    """What a node is told to be: its rooms in tenths, and what else is left; or that it is gone."""

    node: str
    tenths: tuple[int, ...]
    cpu: int | None
    memory: int | None
    gone: bool


CHANGES = st.lists(
    st.builds(
        Change,
        st.sampled_from("abcd"),
        st.lists(st.sampled_from((0, 2, 5, 7, 10)), max_size=3).map(tuple),
        st.none() | st.integers(0, 9),
        st.none() | st.integers(0, 9),
        st.booleans(),
    ),
    max_size=12,
)
WANTS = st.builds(
    lambda tenths, gpus, cpu, memory: want(100 * tenths, gpus, cpu, memory),
    st.sampled_from((2, 3, 5, 10)),
    st.integers(0, 3),
    st.integers(0, 4),
    st.integers(0, 4),
)
MIXES = st.lists(st.tuples(WANTS, st.integers(1, 5)), min_size=1, max_size=4).map(
    lambda asked: mix_of(*asked)
)


LONE_MIXES = st.lists(
    st.tuples(WANTS.map(lambda one: replace(one, gpus=1)), st.integers(1, 5)),
    min_size=1,
    max_size=4,
).map(lambda asked: mix_of(*asked))
"""Where all ask for one card, what is lost is added up card by card."""


@settings(max_examples=300, deadline=None)
@given(st.one_of(MIXES, LONE_MIXES), CHANGES, st.lists(WANTS, min_size=1, max_size=4))
def test_the_order_is_that_of_a_reference_whatever_changed_and_was_asked_before(
    mix: AskedMix, changes: list[Change], asked: list[Want]
) -> None:
    kept = ScoredNodes(NodeWorth(mix))
    now: dict[NodeId, tuple[tuple[Room, ...], NodeRoom]] = {}
    for number, change in enumerate(changes):
        name, free = NodeId(change.node), rooms(*(100 * each for each in change.tenths))
        left = NodeRoom(change.cpu, change.memory)
        if change.gone:
            kept.take_out(name)
            now.pop(name, None)
        else:
            kept.put(name, free, left)
            now[name] = free, left
        one = asked[number % len(asked)]
        found = [(more, node, choice.taken) for more, node, choice in kept.best_first(one)]
        assert [more for more, _, _ in found] == sorted(more for more, _, _ in found)
        reference = {
            (node, taken): lost(mix, after, rest) - lost(mix, free, left)
            for node, (free, left) in now.items()
            for taken, after, rest in ways(free, left, one)
        }
        assert {(node, taken) for _, node, taken in found} == reference.keys()
        # Reckoned in whole millionths: three parts for memory, three for CPU, one for the rest.
        for more, node, taken in found:
            assert abs(more - reference[node, taken]) <= 2 * (2 * WEIGHT_OF_SHORT + 1)


def ways(
    free: tuple[Room, ...], left: NodeRoom, asked: Want
) -> Iterator[tuple[tuple[Room, ...], tuple[Room, ...], NodeRoom]]:
    """Which rooms a request may take from, what they are then, and what else is left."""
    if left.lacks(asked.takes) is not None or asked.amount is None:
        return
    milli, rest = asked.amount.compute_milli, left.less(asked.takes)
    fitting = [n for n, (room, _) in enumerate(sorted(free)) if room >= milli]
    sets = combinations(fitting, asked.gpus) if asked.gpus < 2 else [tuple(fitting[: asked.gpus])]
    for places in sets:
        if len(places) == asked.gpus:
            before, after = sorted(free), sorted(free)
            for n in places:
                after[n] = before[n][0] - milli, before[n][1] - milli
            yield tuple(before[n] for n in places), tuple(sorted(after)), rest


def lost(mix: AskedMix, free: tuple[Room, ...], left: NodeRoom) -> Fraction:
    """What is unusable, in millionths, and three times what is short of CPU and of memory."""
    idle = sum(room for room, _ in free)
    weighed = [(one, often * max(1, one.gpus)) for one, often in mix.asked]
    unusable, cards, cpu, memory = Fraction(0), 0, 0, 0
    for one, weight in weighed:
        assert one.amount is not None
        milli = one.amount.compute_milli
        serving = [room for room, _ in free if room >= milli]
        fits = one.gpus and len(serving) >= one.gpus and has_in_all(left, one.takes)
        unusable += weight * (idle - sum(serving) if fits else idle)
        cards += weight * one.gpus * milli
        cpu += weight * one.takes.cpu_milli * bool(one.gpus)
        memory += weight * one.takes.memory_mib * bool(one.gpus)
    found = unusable / sum(weight for _, weight in weighed)
    for has, asked in ((left.cpu_milli, cpu), (left.memory_mib, memory)):
        if has is not None and asked:
            found += WEIGHT_OF_SHORT * max(
                Fraction(0), idle - Fraction(max(0, has) * cards * 100, asked * PERCENT_OF_NEED)
            )
    return found * CARD / 1000


def has_in_all(left: NodeRoom, takes: NodeAmount) -> bool:
    return (left.cpu_milli is None or left.cpu_milli >= takes.cpu_milli) and (
        left.memory_mib is None or left.memory_mib >= takes.memory_mib
    )


def test_exact_ties_are_by_lot_and_not_by_name() -> None:
    names = [f"node-{number}" for number in range(40)]
    nodes = scored(HALVES_AND_WHOLES, **{name: (rooms(1000), UNKNOWN_ROOM) for name in names})
    order = [node for _, node, _ in nodes.best_first(want(500))]
    assert sorted(order) == sorted(names)
    assert order not in (sorted(names), sorted(names, reverse=True))


def test_of_people_s_own_amounts_only_so_many_are_remembered() -> None:
    worth = NodeWorth(HALVES_AND_WHOLES)
    free = worth.cards(rooms(1000, 500))
    for milli in range(1, MOST_CHOICES + 100):
        many = len(worth.choices(GpuAmount(milli, milli), 1, free))
        assert many == (2 if milli <= 500 else 1)
        assert len(free.choices) <= MOST_CHOICES


def test_of_a_node_that_is_gone_no_order_keeps_anything() -> None:
    nodes = scored(HALVES_AND_WHOLES)
    for number in range(9):
        node = NodeId(f"node-{number}")
        nodes.put(node, rooms(1000), UNKNOWN_ROOM)
        assert first(nodes, want(500)) == (node, (1000,))
        nodes.take_out(node)
        assert first(nodes, want(500)) is None
    assert not nodes._orders[want(500)].of_node
