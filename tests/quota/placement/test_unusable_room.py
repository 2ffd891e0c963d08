"""Free room is chosen so that least becomes unusable for the sizes that people ask for."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice, amount_of
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.home_claim import HomeInUse
from sublet_quota.names.ids import NodeId
from sublet_quota.placement.finding.free_room import MOST_ROOMS
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.derivation import Rule
from sublet_quota.reasons.refusal import Refusal

from tests.support.quota_cases import H100, NOON, document, gpu, holdings, notebook, part

QUOTA = """
pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]
sizes:
  - {name: fifth, memory: 1/5, compute: 1/5}
  - {name: quarter, memory: 1/4, compute: 1/4}
  - {name: half, memory: 1/2, compute: 1/2}
  - {name: three, memory: 3/4, compute: 3/4}
  - {name: whole, memory: 1, compute: 1}
everyone: {limit: {slices: unlimited}}
"""


def cards_left(*left: float) -> Holdings:
    """Cards of which so much is free: ``c0``, ``c1``, and on."""
    gpus = [gpu(f"c{n}", index=n) for n in range(len(left))]
    taken = [
        notebook(f"s{n}", f"u{n}", part(1 - free), f"c{n}")
        for n, free in enumerate(left)
        if free < 1
    ]
    return holdings(QUOTA, *gpus, *taken)


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ({}, "c0"),
        ({"half": 9, "quarter": 1}, "c1"),
        ({"quarter": 9}, "c0"),
        ({"gone": 5}, "c0"),
    ],
    ids=[
        "not known: the tightest",
        "halves are asked for",
        "quarters alone: the tightest",
        "a size that is no more",
    ],
)
def test_a_room_that_others_ask_for_stays_whole(asked: dict[str, int], chosen: str) -> None:
    # The tightest for a quarter is c0 with a half, which is what most ask for; c1 would leave half.
    held = cards_left(0.5, 0.75)
    held.asked_sizes = asked
    answer = decide_slice(held, RequestedSlice("ada", size="quarter"))
    assert isinstance(answer, Placement)
    assert answer.gpu_id == chosen


def test_it_goes_on_under_another_document() -> None:
    held = cards_left(0.5, 0.75)
    held.asked_sizes = {"half": 9}
    assert held.under(document(QUOTA), NOON).asked_sizes == {"half": 9}


SIZES = ("fifth", "quarter", "half", "three", "whole")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 2, 4, 5, 8, 10, 15, 16, 20]), min_size=1, max_size=8),
    st.dictionaries(st.sampled_from(SIZES), st.integers(1, 9)),
    st.sampled_from(SIZES),
)
def test_the_card_is_the_one_of_which_a_reference_says_least_becomes_unusable(
    twentieths: list[int], asked: dict[str, int], size: str
) -> None:
    held = cards_left(*(each / 20 for each in twentieths))
    held.asked_sizes = asked
    wanted = amount_of(held.document.sizes[size], H100)
    rooms = {one.gpu_id: held.room(one.gpu_id).free(shared=False) for one in held.gpus()}
    fitting = {name: room for name, room in rooms.items() if wanted.fits_in(room)}
    answer = decide_slice(held, RequestedSlice("ada", size=size))
    if not fitting:
        # Others may make way, or move: that is another question.
        assert isinstance(answer, Refusal) or answer.calls_back
        return
    assert isinstance(answer, Placement)
    more = {
        name: unusable(held, room - wanted) - unusable(held, room) for name, room in fitting.items()
    }
    # What is nearer to each other than a step, or two about nothing, counts as equal; a reckoning
    # in whole millionths may not tell what is nearer than that.
    often, chosen = sum(asked.values()), more[answer.gpu_id]
    assert chosen - min(more.values()) <= often * (Fraction(1, 10) + Fraction(1, 250_000))
    room = fitting[answer.gpu_id].memory_mib
    tighter = [name for name, each in fitting.items() if each.memory_mib < room]
    assert all(more[name] > chosen - Fraction(often, 250_000) for name in tighter)


def unusable(held: Holdings, room: GpuAmount) -> Fraction:
    share = max(Fraction(room.memory_mib, H100.usable_mib), Fraction(room.compute_milli, 1000))
    sizes = held.document.sizes
    often = held.asked_sizes.items()
    return sum(
        (share * n for name, n in often if not amount_of(sizes[name], H100).fits_in(room)),
        Fraction(0),
    )


def test_of_very_many_different_rooms_the_one_where_the_slice_may_be_is_found() -> None:
    # The room on its node is the largest of all: more than are judged are tighter.
    tight = [gpu(f"c{n:03}", index=n) for n in range(MOST_ROOMS + 9)]
    taken = [
        notebook(f"s{n}", f"u{n}", part(0.2) + GpuAmount(n, 1), card.gpu_id)
        for n, card in enumerate(tight)
    ]
    held = holdings(QUOTA, *tight, gpu("home", node="node-b"), *taken)
    held.asked_sizes = {"half": 9}
    home = HomeInUse(NodeId("node-b"), "your server")
    for never in (False, True):
        wish = RequestedSlice("ada", size="quarter", home=home, never_suspended=never)
        answer = decide_slice(held, wish)
        assert isinstance(answer, Placement)
        assert (answer.gpu_id, answer.why.rule) == ("home", Rule.FREE_ROOM)
