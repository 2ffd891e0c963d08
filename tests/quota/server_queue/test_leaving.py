"""Who may be on several types leaves the one that another in line cannot do without."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.placement.slice_placement import Placement

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.queue_cases import HubWithLine, queued, with_line
from tests.support.quota_cases import H100, L4, gpu

A100 = GpuKind("NVIDIA A100-SXM4-40GB", 40 * 1024, 1024)
TYPES = "gpu_types: {H100: {match: '*H100*'}, A100: {match: '*A100*'}, L4: {match: '*L4*'}}\n"
ONCE = "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
HEAD = TYPES + PARTS + ONCE
KINDS = {"H100": H100, "A100": A100, "L4": L4}


def hub(*types: str, text: str = HEAD) -> SmallHub:
    return SmallHub.under(
        text, *(gpu(f"{name}-{n}", KINDS[name], index=n) for n, name in enumerate(types))
    )


def got(line: HubWithLine) -> dict[str, str]:
    return {name: each.gpu_type for name, each in line.take_turns().items()}


@pytest.mark.parametrize("other", ["H100", "L4"])
def test_the_first_leaves_the_type_that_the_next_needs(other: str) -> None:
    line = [queued("any", size="whole"), queued("one", size="whole", minute=1, gpu_type=other)]
    found = got(with_line(hub("H100", "L4"), line))
    assert found == {"any": "L4" if other == "H100" else "H100", "one": other}


def test_the_first_loses_its_place_to_nobody() -> None:
    line = [queued("any", size="whole"), queued("one", size="whole", minute=1, gpu_type="H100")]
    assert got(with_line(hub("H100"), line)) == {"any": "H100"}


def test_the_next_that_needs_it_comes_before_one_further_behind() -> None:
    line = [
        queued("any", size="whole"),
        queued("l4", size="whole", minute=1, gpu_type="L4"),
        queued("h100", size="whole", minute=2, gpu_type="H100"),
    ]
    assert got(with_line(hub("H100", "L4"), line)) == {"any": "H100", "l4": "L4"}


def test_who_is_within_a_guarantee_stays_on_its_card() -> None:
    text = HEAD + "groups: {lab: {guaranteed: {L4: 1}}}\n"
    line = [
        queued("due", "lab", size="whole"),
        queued("one", size="whole", minute=1, gpu_type="L4"),
    ]
    found = with_line(hub("H100", "L4", text=text), line).take_turns()
    assert found["due"].gpu_type == "L4"


def test_nothing_changes_where_both_fit_on_one_card() -> None:
    alone = with_line(hub("H100", "L4"), [queued("any")])
    beside = [queued("any"), queued("one", minute=1, gpu_type="L4")]
    both = with_line(hub("H100", "L4"), beside).take_turns()
    assert both["any"].gpu_id == alone.take_turns()["any"].gpu_id
    assert both["one"].gpu_type == "L4"


@given(
    st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=4),
    st.lists(st.sampled_from(["any", *KINDS]), min_size=1, max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_as_many_start_as_whole_cards_allow_in_their_order(
    types: list[str], wishes: list[str]
) -> None:
    line = [
        queued(f"{n}", size="whole", minute=n, gpu_type=None if each == "any" else each)
        for n, each in enumerate(wishes)
    ]
    found = with_line(hub(*types), line).take_turns()
    assert set(found) == best(types, wishes)
    assert all(isinstance(each, Placement) for each in found.values())


def best(types: list[str], wishes: list[str]) -> set[str]:
    """Who starts: in their order each for whom there is a card beside all before."""
    chosen: list[int] = []
    for number in range(len(wishes)):
        asked = [wishes[n] for n in (*chosen, number)]
        fixed = [each for each in asked if each != "any"]
        has_cards = all(fixed.count(name) <= types.count(name) for name in KINDS)
        if has_cards and len(asked) <= len(types):
            chosen.append(number)
    return {str(number) for number in chosen}
