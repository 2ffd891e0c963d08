"""Admission: who may have how much, as what, and on whose account."""

from dataclasses import replace
from fractions import Fraction
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.admission.slice_admission import admit
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.names.ids import UserName
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import NodeName

from tests.support.admission_cases import SIZES, SmallHub
from tests.support.quota_cases import H100, L4, gib, gpu, holdings, job_slice, notebook

BIG_IS_DEFAULT = SIZES.replace("for: [staff]", "for: [staff], default: true")

ADMITTED = {
    "no wish is the first size": (RequestedSlice("ada"), SIZES, gib(10, 125)),
    "no wish is the default size": (
        RequestedSlice("ada", ("staff",)),
        BIG_IS_DEFAULT,
        gib(40, 500),
    ),
    "a default one may not pick gives way to the first": (
        RequestedSlice("ada"),
        BIG_IS_DEFAULT,
        gib(10, 125),
    ),
    "a size for one's group": (RequestedSlice("ada", ("staff",), size="big"), SIZES, gib(40, 500)),
    "own amounts within a size": (
        RequestedSlice("ada", memory_mib=10240, compute_milli=125),
        SIZES,
        gib(10, 125),
    ),
    "all that a GPU gives": (
        RequestedSlice("ada", memory_mib=79 * 1024, compute_milli=1000),
        "",
        gib(79, 1000),
    ),
    "exactly up to the limit": (
        RequestedSlice("ada"),
        SIZES + "\neveryone: {limit: {memory: 10 GiB, slices: 1}}",
        gib(10, 125),
    ),
    "what others are guaranteed and do not use": (
        RequestedSlice("ada", size="whole"),
        f"groups: {{lab: {{guaranteed: {{'{H100.type}': 1}}}}}}",
        gib(79, 1000),
    ),
    "by another of one's groups where the first has no such size": (
        RequestedSlice("ada", ("club", "staff"), size="big"),
        SIZES + "  club: {}\n",
        gib(40, 500),
    ),
}


@pytest.mark.parametrize("name", ADMITTED)
def test_what_is_allowed_is_admitted_with_its_amount(name: str) -> None:
    wish, text, amount = ADMITTED[name]
    answer = admit(holdings(text), wish)
    assert [option.asked.amount for option in answer.options] == [amount], answer.denials


TYPE = "gpu_types: {H100: {match: '*H100*'}, L4: {match: '*L4*'}}\n"
TWO_GROUPS = TYPE + dedent(
    """
    groups:
      tight: {limit: {memory: 30 GiB}}
      wide: {limit: {memory: 100 GiB}}
      kept: {guaranteed: {H100: 1/2}}
      above: {guaranteed: {H100: 1}, groups: {below: {guaranteed: {H100: 1/4}}}}
    sizes: [{name: s, memory: 20 GiB, compute: 0.25}]
    """
)
TWICE = (gpu("gpu-0"), gpu("gpu-1", index=1))


@pytest.mark.parametrize(
    ("groups", "world", "charged", "rank"),
    [
        (("strangers",), (), None, Rank.BORROWED),
        (("tight", "wide"), (), "wide", Rank.BORROWED),
        (("tight", "wide"), (notebook("x", "bob", group="tight"),), "wide", Rank.BORROWED),
        (("tight", "wide", "kept"), (), "kept", Rank.ENTITLED),
        (("wide", "kept"), (notebook("x", "b", gib(30, 1), group="kept"),), "kept", Rank.BORROWED),
        (("wide", "tight"), (notebook("x", "bob", gib(75), group="wide"),), "tight", Rank.BORROWED),
        (("above", "tight"), (), "above", Rank.ENTITLED_IN_PART),
    ],
)
def test_of_several_groups_one_pays(
    groups: tuple[str, ...], world: tuple[Holding, ...], charged: str | None, rank: Rank
) -> None:
    answer = admit(holdings(TWO_GROUPS, *TWICE, *world), RequestedSlice("ada", groups))
    first = answer.options[0]
    assert (first.group, first.rank) == (charged, rank)


def test_the_group_that_is_named_pays_though_another_is_entitled() -> None:
    wish = RequestedSlice("ada", ("wide", "kept"), group="wide")
    answer = admit(holdings(TWO_GROUPS, *TWICE), wish)
    assert {option.group for option in answer.options} == {"wide"}


def test_who_is_in_several_groups_is_refused_only_when_all_are_full() -> None:
    held = holdings(
        TWO_GROUPS,
        *TWICE,
        notebook("x", "bob", gib(20), group="tight"),
        notebook("y", "bob", gib(90), group="wide"),
    )
    answer = decide_slice(held, RequestedSlice("ada", ("wide", "tight")))
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.GROUP_LIMIT
    assert answer.helps


def test_limits_of_all_groups_above_bind_the_least_room_first() -> None:
    text = TYPE + dedent(
        """
        sizes: [{name: s, memory: 1/2, compute: 1/2}]
        groups:
          top: {limit: {cards: 1/4}, groups: {low: {limit: {H100: 1/3}}}}
        """
    )
    answer = decide_slice(holdings(text), RequestedSlice("ada", ("low",)))
    assert isinstance(answer, Refusal)
    assert "Group 'top' has 0 cards and may have 0.25 cards of all types" in answer.message
    assert "groups.top.limit.cards, line 5" in answer.message
    assert answer.why is not None
    assert (answer.why.group, answer.why.lines[0].line) == ("top", 5)


def test_jobs_do_not_count_against_their_owners_limits() -> None:
    text = SIZES + "\neveryone: {limit: {memory: 10 GiB, slices: 1}}"
    assert admit(holdings(text, job_slice("j")), RequestedSlice("ada")).options


def test_a_size_as_a_part_is_admitted_on_the_kinds_where_the_limit_allows_it() -> None:
    text = "everyone: {limit: {memory: 20 GiB}}\nsizes: [{name: half, memory: 1/2, compute: 1/2}]"
    answer = admit(holdings(text, gpu("h", H100), gpu("l", L4)), RequestedSlice("ada"))
    admitted = [(option.asked.kind, option.asked.amount) for option in answer.options]
    assert admitted == [(L4, gib(11.5, 500))]


def test_a_wish_for_a_type_may_be_a_pattern_or_a_name_with_signs_in_it() -> None:
    odd = GpuKind("GPU [test] 80GB", 81920, 1024)
    held = holdings("", gpu("h", H100), gpu("o", odd))
    for wished, kinds in (("GPU [test] 80GB", [odd]), ("*h100*", [H100]), (None, [odd, H100])):
        answer = admit(held, RequestedSlice("ada", gpu_type=wished))
        assert {option.asked.kind for option in answer.options} == set(kinds)


def test_a_gpu_too_small_for_its_margin_is_no_reason_to_fail() -> None:
    tiny = GpuKind("tiny", 512, 1024)
    answer = decide_slice(holdings("", gpu("t", tiny)), RequestedSlice("ada"))
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.LARGER_THAN_GPU


LIMITED = dedent(
    """
    everyone: {limit: {memory: 50 GiB, cards: 1, slices: 3}}
    groups:
      lab: {limit: {memory: 90 GiB, slices: 5}, each: {limit: {memory: 60 GiB}}}
      club: {limit: {cards: 3/2}}
    exceptions: [{who: [zoe], set: {limit: {memory: 70 GiB}}, why: thesis}]
    """
)
wishes = st.builds(
    RequestedSlice,
    owner=st.sampled_from(["ada", "bob", "eve", "zoe"]),
    groups=st.sampled_from([(), ("lab",), ("club",), ("lab", "club"), ("strangers",)]),
    size=st.sampled_from([None, "small", "medium", "large", "whole"]),
) | st.builds(
    RequestedSlice,
    owner=st.sampled_from(["ada", "bob"]),
    groups=st.sampled_from([(), ("lab",)]),
    memory_mib=st.integers(-5, 90_000),
    compute_milli=st.integers(-5, 1100),
)


@given(st.lists(wishes, max_size=30))
def test_nobody_ever_holds_more_than_their_limits(asked: list[RequestedSlice]) -> None:
    hub = SmallHub.under(LIMITED, gpu("a", H100), gpu("b", L4), gpu("c", H100))
    members: dict[str, set[str]] = {}
    for number, wish in enumerate(asked):
        # A user's groups do not change here, or yesterday's slices could pass today's limit.
        groups = members.setdefault(wish.owner, set(wish.groups))
        hub.hand_out(replace(wish, groups=tuple(sorted(groups))), f"s{number}")
    for owner in ("ada", "bob", "eve", "zoe"):
        held = hub.holdings.held_by(UserName(owner))
        limit = 70 if owner == "zoe" else 60 if "lab" in members.get(owner, ()) else 50
        assert held.memory_mib <= limit * 1024
        assert sum(held.cards.values()) <= 1
        assert held.slices <= 3
    lab = hub.holdings.held(NodeName("lab"))
    assert lab.memory_mib <= 90 * 1024
    assert lab.slices <= 5
    assert sum(hub.holdings.held(NodeName("club")).cards.values()) <= Fraction(3, 2)


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_any_names_get_an_answer(size: str, pool: str, gpu_type: str) -> None:
    for wish in (
        RequestedSlice("ada", size=size),
        RequestedSlice("ada", pool=pool),
        RequestedSlice("ada", gpu_type=gpu_type),
    ):
        answer = decide_slice(holdings(), wish)
        assert isinstance(answer, Placement) or len(answer.message) < 2000
