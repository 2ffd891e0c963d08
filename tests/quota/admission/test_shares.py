"""On any hub: who stays within their share is let in, nobody flaps, and no order means anything."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import SliceId
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.shares.group_tree import NodeName

from tests.quota.admission.any_hub import HEAD, AnyHub, any_hub
from tests.support.admission_cases import SmallHub
from tests.support.quota_cases import document, gpu
from tests.support.renamed import Names

EXAMPLES = 30
ONCE = "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"


def hub_of(weights: dict[str, int], cards: int) -> SmallHub:
    groups = "".join(f"  {name}: {{weight: {weight}}}\n" for name, weight in weights.items())
    return SmallHub.under(
        f"{HEAD}{ONCE}groups:\n{groups}", *(gpu(f"card{n}", index=n) for n in range(cards))
    )


def cards_of(hub: SmallHub) -> Counter[str | None]:
    """How many slices each group has in their place."""
    return Counter(one.group for one in hub.holdings.slices() if not one.called_back)


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3), min_size=2),
    st.lists(st.sampled_from("abcd"), max_size=30),
    st.randoms(use_true_random=False),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_each_group_gets_at_least_its_share_however_late_it_comes(
    weights: dict[str, int], before: list[str], random
) -> None:
    cards = sum(weights.values())
    hub = hub_of(weights, cards)
    for number, group in enumerate(before):
        if group in weights:
            hub.ask(f"u{number}", group, name=f"before{number}", size="whole")
    wants = {NodeName(group): Fraction(cards) for group in weights}
    asks = [group for group, weight in weights.items() for _ in range(weight)]
    random.shuffle(asks)
    for number, group in enumerate(asks):
        if cards_of(hub)[group] < weights[group]:
            wish = RequestedSlice(f"v{number}", (group,), size="whole")
            answer = hub.hand_out(wish, f"late{number}", {"H100": wants})
            assert isinstance(answer, Placement), answer
    assert cards_of(hub) == weights, "all ask for all, so each has its part"


@given(any_hub())
@settings(max_examples=EXAMPLES, deadline=None)
def test_those_who_were_called_back_and_ask_anew_do_not_take_turns_for_ever(
    any_one: AnyHub,
) -> None:
    hub = any_one.made()
    wishes: dict[str, RequestedSlice] = {}
    for number, step in enumerate(any_one.steps):
        if step.what == "ask":
            wishes[f"s{number}"] = step.asked(number)
            hub.hand_out(wishes[f"s{number}"], f"s{number}")
    for _ in range(len(wishes) + 1):
        called_back = sorted(hub.called_back())
        anew = 0
        for name in called_back:
            hub.holdings.remove(SliceId(name))
            answer = hub.hand_out(wishes[name], name)
            anew += len(answer.calls_back) if isinstance(answer, Placement) else 0
        if not anew:
            return
    pytest.fail("some are called back in every round")


@given(any_hub())
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_order_of_keys_means_nothing(any_one: AnyHub) -> None:
    hubs = [any_one.made(order) for order in (1, -1)]
    for number, step in enumerate(any_one.steps):
        if step.what != "ask":
            continue
        wish = step.asked(number)
        one, other = (hub.hand_out(wish, f"s{number}") for hub in hubs)
        assert _without_lines(one) == _without_lines(other)


def _without_lines(answer: Placement | Refusal) -> object:
    """An answer without where the document says what decided: the lines differ, and no more."""
    if isinstance(answer, Placement):
        return replace(answer, why=replace(answer.why, lines=()))
    return replace(answer, why=None, message="")


@given(any_hub(), st.integers(0, 9))
@settings(max_examples=EXAMPLES, deadline=None)
def test_neither_do_the_names_of_who_asks_nor_the_order_of_a_persons_groups(
    any_one: AnyHub, lot: int
) -> None:
    hubs = [any_one.made(), any_one.made()]
    for number, step in enumerate(any_one.steps):
        if step.what != "ask":
            continue
        wish = replace(step.asked(number), lot=lot)
        other = replace(wish, owner=f"a{99 - number}", groups=wish.groups[::-1])
        answers = hubs[0].hand_out(wish, f"s{number}"), hubs[1].hand_out(other, f"s{number}")
        if isinstance(answers[0], Placement):
            assert isinstance(answers[1], Placement)
            assert answers[0] == replace(answers[1], owner=answers[0].owner)


CARDS: tuple[GpuFacts, ...] = (gpu("card0"), gpu("card1", index=1))
ASKS = (("a", "whole"), ("a", "whole"), ("b", "whole"))


@pytest.mark.parametrize("order", sorted(set(permutations(range(3)))))
def test_of_equal_requests_as_many_are_let_in_in_any_order(order: tuple[int, ...]) -> None:
    hub = hub_of({"a": 1, "b": 1}, 2)
    for number in order:
        group, size = ASKS[number]
        hub.ask(f"u{number}", group, size=size)
    assert cards_of(hub) == {"a": 1, "b": 1}


def test_two_groups_do_not_take_a_card_from_each_other_in_turns() -> None:
    hub = hub_of({"a": 1, "b": 1}, 1)
    assert isinstance(hub.ask("ada", "a", size="whole"), Placement)
    for _ in range(3):
        refused = hub.ask("bea", "b", size="whole")
        assert isinstance(refused, Refusal), "half a card is its share, and it asks for a whole"
        assert "share of 0.5" in refused.message


def test_exact_ties_between_payers_go_by_the_lot() -> None:
    paid = {
        lot: decide_slice(
            hub_of({"a": 1, "b": 1}, 1).holdings,
            RequestedSlice("ada", ("a", "b"), size="half", lot=lot),
        )
        for lot in range(2)
    }
    groups = [answer.group for answer in paid.values() if isinstance(answer, Placement)]
    assert sorted(map(str, groups)) == ["a", "b"]


@pytest.mark.parametrize("lot", range(4))
def test_exact_ties_between_payers_hang_on_no_name(lot: int) -> None:
    wish = RequestedSlice("ada", ("lab", "law"), size="small", lot=lot)
    said, paid = document("groups: {lab: {}, law: {}}"), set()
    for order in (("lab", "law"), ("law", "lab")):
        answer = decide_slice(Holdings(said, [gpu()], turns=Names(groups=order)), wish)
        assert isinstance(answer, Placement)
        paid.add(answer.group)
    assert paid == {"lab", "law"}
