"""Admission: who may have how much, as what, and on whose account."""

from dataclasses import replace
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.admission.slice_admission import Admitted, admit
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.reasons.refusal import Refusal, RefusalReason

from tests.support.admission_cases import SIZES
from tests.support.quota_cases import H100, L4, gib, gpu, hand_out, holdings, job_slice, notebook

ADMITTED = {
    "no wish is the first size": (RequestedSlice("ada"), SIZES, gib(10, 125)),
    "no wish is the default size": (
        RequestedSlice("ada", ("staff",)),
        SIZES + "\ndefault_size: big",
        gib(40, 500),
    ),
    "a default one may not pick gives way to the first": (
        RequestedSlice("ada"),
        SIZES + "\ndefault_size: big",
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
        SIZES + "\neveryone: {limit: {memory: 10 GiB, compute: 0.125}, most_slices: 1}",
        gib(10, 125),
    ),
    "exactly up to what others are guaranteed": (
        RequestedSlice("ada", memory_mib=19 * 1024, compute_milli=1),
        "pools: {p: {memory_overcommit: 1}}\nusers: {bob: {guaranteed: {memory: 60 GiB}}}",
        gib(19, 1),
    ),
    "into one's own guarantee": (
        RequestedSlice("bob", size="whole"),
        (
            "pools: {p: {memory_overcommit: 1}}\n"
            "users: {bob: {guaranteed: {memory: 79 GiB, compute: 1}}}"
        ),
        gib(79, 1000),
    ),
    "into the guarantee of one's group": (
        RequestedSlice("bob", ("lab",), size="whole"),
        (
            "pools: {p: {memory_overcommit: 1}}\n"
            "groups: {lab: {guaranteed: {memory: 79 GiB, compute: 1}}}"
        ),
        gib(79, 1000),
    ),
    "a guarantee in another pool keeps nothing here": (
        RequestedSlice("ada", size="whole"),
        "pools: [{name: p}, {name: q}]\nusers: {bob: {guaranteed: {memory: 500 GiB, pool: q}}}",
        gib(79, 1000),
    ),
}


@pytest.mark.parametrize("name", ADMITTED)
def test_what_is_allowed_is_admitted_with_its_amount(name: str) -> None:
    wish, text, amount = ADMITTED[name]
    answer = admit(holdings(text), wish)
    assert isinstance(answer, Admitted), answer
    assert [kind.amount for kind in answer.kinds] == [amount]


TWO_GROUPS = dedent(
    """
    groups:
      tight: {limit: {memory: 30 GiB}}
      wide: {limit: {memory: 100 GiB}}
      kept: {guaranteed: {memory: 40 GiB, compute: 1}}
    sizes: {s: {memory: 20 GiB, compute: 0.25}}
    """
)


@pytest.mark.parametrize(
    ("groups", "world", "charged"),
    [
        (("strangers",), (), ()),
        (("tight", "wide"), (), ("wide",)),
        (("tight", "wide"), (notebook("x", "bob", groups=("tight",)),), ("wide",)),
        (("tight", "wide", "kept"), (), ("kept",)),
        (("wide", "kept"), (notebook("x", "bob", gib(30, 1), groups=("kept",)),), ("kept",)),
        (("wide", "tight"), (notebook("x", "bob", gib(75), groups=("wide",)),), ("tight",)),
    ],
)
def test_a_slice_goes_on_the_account_of_one_group(
    groups: tuple[str, ...], world: tuple[Holding, ...], charged: tuple[str, ...]
) -> None:
    answer = admit(holdings(TWO_GROUPS, *world), RequestedSlice("ada", groups))
    assert isinstance(answer, Admitted)
    assert [kind.groups for kind in answer.kinds] == [charged]


def test_who_is_in_several_groups_is_refused_only_when_all_are_full() -> None:
    held = holdings(
        TWO_GROUPS,
        notebook("x", "bob", gib(20), groups=("tight",)),
        notebook("y", "bob", gib(90), groups=("wide",)),
    )
    answer = admit(held, RequestedSlice("ada", ("wide", "tight")))
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.GROUP_LIMIT
    assert "'tight'" in answer.message


def test_jobs_do_not_count_against_their_owners_limits() -> None:
    text = SIZES + "\neveryone: {limit: {memory: 10 GiB}, most_slices: 1}"
    assert isinstance(admit(holdings(text, job_slice("j")), RequestedSlice("ada")), Admitted)


def test_a_size_as_a_part_is_admitted_on_the_kinds_where_the_limit_allows_it() -> None:
    text = "everyone: {limit: {memory: 20 GiB}}\nsizes: {half: {memory: 1/2, compute: 1/2}}"
    answer = admit(holdings(text, gpu("h", H100), gpu("l", L4)), RequestedSlice("ada"))
    assert isinstance(answer, Admitted)
    assert [(k.kind, k.amount) for k in answer.kinds] == [(L4, gib(11.5, 500))]


def test_a_wish_for_a_type_may_be_a_pattern_or_a_name_with_signs_in_it() -> None:
    odd = GpuKind("GPU [test] 80GB", 81920, 1024)
    held = holdings("", gpu("h", H100), gpu("o", odd))
    for wished, kinds in (("GPU [test] 80GB", [odd]), ("*h100*", [H100]), (None, [odd, H100])):
        answer = admit(held, RequestedSlice("ada", gpu_type=wished))
        assert isinstance(answer, Admitted)
        assert [k.kind for k in answer.kinds] == kinds


def test_a_gpu_too_small_for_its_margin_is_no_reason_to_fail() -> None:
    tiny = GpuKind("tiny", 512, 1024)
    answer = admit(holdings("", gpu("t", tiny)), RequestedSlice("ada"))
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.LARGER_THAN_GPU


LIMITED = dedent(
    """
    everyone: {limit: {memory: 50 GiB, compute: 1}, most_slices: 3}
    groups:
      lab: {limit: {memory: 90 GiB}, most_slices: 5, each_member: {limit: {memory: 60 GiB}}}
      club: {limit: {compute: 1.5}}
    users: {zoe: {guaranteed: {memory: 30 GiB, compute: 0.5}, limit: {memory: 70 GiB}}}
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
    held = holdings(LIMITED, gpu("a", H100), gpu("b", L4), gpu("c", H100))
    members: dict[str, set[str]] = {}
    for number, wish in enumerate(asked):
        # A user's groups do not change here, or yesterday's slices could pass today's limit.
        groups = members.setdefault(wish.owner, set(wish.groups))
        hand_out(held, replace(wish, groups=tuple(sorted(groups))), f"s{number}")
    for owner in ("ada", "bob", "eve", "zoe"):
        use = held.totals.of_user(owner, None)
        limit = 70 if owner == "zoe" else 60 if "lab" in members.get(owner, ()) else 50
        assert use.amount.memory_mib <= limit * 1024
        assert use.amount.compute_milli <= 1000
        assert use.slices <= 3
    lab = held.totals.of_group("lab", None)
    assert lab.amount.memory_mib <= 90 * 1024
    assert lab.slices <= 5
    assert held.totals.of_group("club", None).amount.compute_milli <= 1500


@given(st.lists(wishes, max_size=30), st.sampled_from([1, 2]))
def test_a_guarantee_can_always_be_taken_up(asked: list[RequestedSlice], gpus: int) -> None:
    text = LIMITED + "\npools: {p: {memory_overcommit: 1, compute_overcommit: 1}}"
    held = holdings(text, *(gpu(f"g{n}") for n in range(gpus)))
    for number, wish in enumerate(asked):
        if wish.owner != "zoe":
            hand_out(held, wish, f"s{number}")
    whole = GpuAmount(30 * 1024, 500)
    assert whole.fits_in(held.room_in(held.document.first_pool))
    answer = admit(held, RequestedSlice("zoe", memory_mib=whole.memory_mib, compute_milli=500))
    assert isinstance(answer, Admitted)


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_any_names_get_an_answer(size: str, pool: str, gpu_type: str) -> None:
    for wish in (
        RequestedSlice("ada", size=size),
        RequestedSlice("ada", pool=pool),
        RequestedSlice("ada", gpu_type=gpu_type),
    ):
        answer = admit(holdings(), wish)
        assert isinstance(answer, Admitted) or len(answer.message) < 2000
