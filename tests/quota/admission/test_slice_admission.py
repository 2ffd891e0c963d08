"""Admission: who may have how much, each refusal with its reason and its numbers."""

from dataclasses import dataclass, field, replace
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.admission.slice_admission import Admitted, admit
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.holdings.gpu_load import GpuFacts, GpuKind, Holding
from sublet_quota.reasons.refusal import Refusal, RefusalReason

from tests.support.quota_cases import H100, L4, gib, gpu, hand_out, holdings, job_slice, notebook

SIZES = dedent(
    """
    sizes:
      small: {memory: 10 GiB, compute: 0.125}
      big: {memory: 40 GiB, compute: 0.5, groups: [staff]}
    """
)


@dataclass(frozen=True)
class Case:
    wish: RequestedSlice
    reason: RefusalReason
    words: str
    numbers: dict[str, int] = field(default_factory=dict)
    document: str = SIZES
    world: tuple[GpuFacts | Holding, ...] = ()


def amounts(mib: int | None, milli: int | None, **others: str) -> RequestedSlice:
    return RequestedSlice("ada", memory_mib=mib, compute_milli=milli, **others)


REFUSED = {
    "a pool that is not there": Case(
        RequestedSlice("ada", pool="interactiv"),
        RefusalReason.UNKNOWN_POOL,
        "There is no pool 'interactiv' (did you mean 'interactive'?). Pick one of: interactive.",
    ),
    "a size that is not there": Case(
        RequestedSlice("ada", size="smal"),
        RefusalReason.UNKNOWN_SIZE,
        "There is no size 'smal' (did you mean 'small'?). Pick one of: small.",
    ),
    "a size for a group that one is not in": Case(
        RequestedSlice("ada", size="big"),
        RefusalReason.SIZE_NOT_ALLOWED,
        "'ada' may not pick size 'big'. Pick one of: small.",
    ),
    "a size that one's own entry leaves out": Case(
        RequestedSlice("ada", ("staff",), size="big"),
        RefusalReason.SIZE_NOT_ALLOWED,
        "'ada' may not pick size 'big'. Pick one of: small.",
        document=SIZES + "\nusers: {ada: {sizes: [small]}}",
    ),
    "no size at all to pick": Case(
        RequestedSlice("ada"),
        RefusalReason.SIZE_NOT_ALLOWED,
        "'ada' may pick no size. Ask an administrator for one.",
        document="everyone: {sizes: []}",
    ),
    "a size in another pool": Case(
        RequestedSlice("ada", size="small", pool="slow"),
        RefusalReason.UNKNOWN_SIZE,
        "Size 'small' lies in pool 'interactive', not in 'slow'.",
        document=SIZES + "\npools: {interactive: {}, slow: {}}",
    ),
    "a size and amounts": Case(
        amounts(1024, 100, size="small"),
        RefusalReason.BAD_AMOUNT,
        "Ask for a size or for amounts, not for both.",
    ),
    "memory alone": Case(
        amounts(1024, None),
        RefusalReason.BAD_AMOUNT,
        "Give both amounts: compute (in milli-GPU) is missing.",
    ),
    "compute alone": Case(
        amounts(None, 100),
        RefusalReason.BAD_AMOUNT,
        "Give both amounts: memory (in MiB) is missing.",
    ),
    "no memory": Case(
        amounts(0, 100), RefusalReason.BAD_AMOUNT, "memory is 0: ask for 1 MiB or more."
    ),
    "negative memory": Case(
        amounts(-40960, 100), RefusalReason.BAD_AMOUNT, "memory is -40960: ask for 1 MiB or more."
    ),
    "negative memory alone": Case(
        RequestedSlice("ada", memory_mib=-5),
        RefusalReason.BAD_AMOUNT,
        "memory is -5: ask for 1 MiB or more.",
    ),
    "negative compute": Case(
        amounts(1024, -1), RefusalReason.BAD_AMOUNT, "compute is -1: ask for 1 milli-GPU or more."
    ),
    "memory beyond all sense": Case(
        amounts(10**4000, 100),
        RefusalReason.BAD_AMOUNT,
        "That is more memory than any GPU has: ask for less.",
    ),
    "negative beyond all sense": Case(
        amounts(-(10**4000), 100),
        RefusalReason.BAD_AMOUNT,
        "memory is less than nothing: ask for 1 MiB or more.",
    ),
    "more memory than a GPU has": Case(
        amounts(80 * 1024, 100),
        RefusalReason.LARGER_THAN_GPU,
        "80 GiB, 0.1 GPU is more than one GPU of pool 'interactive' can give: at most 79 GiB, "
        "1 GPU on NVIDIA H100 80GB HBM3. Ask for less.",
        {"asked_mib": 81920, "asked_milli": 100, "largest_mib": 80896, "largest_milli": 1000},
    ),
    "more compute than a GPU has": Case(
        amounts(1024, 1001),
        RefusalReason.LARGER_THAN_GPU,
        "1 GiB, 1.001 GPU is more than one GPU",
        {"asked_mib": 1024, "asked_milli": 1001, "largest_mib": 80896, "largest_milli": 1000},
    ),
    "a size larger than the GPUs that are there": Case(
        RequestedSlice("ada", ("staff",), size="big"),
        RefusalReason.LARGER_THAN_GPU,
        "40 GiB, 0.5 GPU is more than one GPU of pool 'interactive' can give: at most 23 GiB",
        {"asked_mib": 40960, "asked_milli": 500, "largest_mib": 23552, "largest_milli": 1000},
        world=(gpu("l", L4),),
    ),
    "own amounts above the largest size one may pick": Case(
        amounts(10241, 100),
        RefusalReason.SIZE_NOT_ALLOWED,
        "'ada' may not have 10241 MiB, 0.1 GPU: the largest size they may pick in pool "
        "'interactive' is 10 GiB, 0.125 GPU. Ask for less.",
        {"asked_mib": 10241, "asked_milli": 100, "largest_mib": 10240, "largest_milli": 125},
    ),
    "own amounts where only sizes are allowed": Case(
        amounts(1024, 100),
        RefusalReason.SIZE_NOT_ALLOWED,
        "'ada' may not ask for amounts of their own (1 GiB, 0.1 GPU). Pick one of: small.",
        {"asked_mib": 1024, "asked_milli": 100},
        document=SIZES + "\neveryone: {own_amounts: false}",
    ),
    "a GPU of a type that is not there": Case(
        RequestedSlice("ada", gpu_type="NVIDIA B200"),
        RefusalReason.NO_GPU,
        "Pool 'interactive' has no GPU of type 'NVIDIA B200' now. There are: NVIDIA H100 80GB",
    ),
    "a pool whose GPU is closed": Case(
        RequestedSlice("ada"),
        RefusalReason.GPU_CLOSED,
        "In pool 'interactive' the only GPU is closed to new slices: XID 79. Try again later.",
        {"closed_gpus": 1},
        world=(gpu(closed="XID 79"),),
    ),
    "a type whose GPUs are all closed": Case(
        RequestedSlice("ada", gpu_type="*h100*"),
        RefusalReason.GPU_CLOSED,
        "In pool 'interactive' all 2 GPUs are closed to new slices: ECC; XID 79. Try again later.",
        {"closed_gpus": 2},
        world=(gpu("a", closed="XID 79"), gpu("b", closed="ECC"), gpu("l", L4)),
    ),
    "one slice too many": Case(
        RequestedSlice("ada"),
        RefusalReason.TOO_MANY_SLICES,
        "'ada' has 1 slice and may have 1. Stop another server first.",
        {"slices": 1, "most_slices": 1},
        document=SIZES + "\neveryone: {most_slices: 1}",
        world=(notebook("a"),),
    ),
    "no slices for this user": Case(
        RequestedSlice("ada"),
        RefusalReason.TOO_MANY_SLICES,
        "'ada' has 0 slices and may have 0. Stop another server first.",
        {"slices": 0, "most_slices": 0},
        document="users: {ada: {most_slices: 0}}",
    ),
    "memory above the user's limit": Case(
        RequestedSlice("ada"),
        RefusalReason.USER_LIMIT,
        "'ada' has 20 GiB of memory and may have 29 GiB: 10 GiB more is too much. "
        "Stop another server, or pick a smaller size.",
        {"asked_mib": 10240, "used_mib": 20480, "limit_mib": 29696},
        document=SIZES + "\neveryone: {limit: {memory: 29 GiB}}",
        world=(notebook("a"),),
    ),
    "compute above the user's limit": Case(
        RequestedSlice("ada"),
        RefusalReason.USER_LIMIT,
        "'ada' has 0.25 GPU of compute and may have 0.3 GPU: 0.125 GPU more is too much.",
        {"asked_milli": 125, "used_milli": 250, "limit_milli": 300},
        document=SIZES + "\neveryone: {limit: {compute: 0.3}}",
        world=(notebook("a"),),
    ),
    "memory above the group's limit, held by another member": Case(
        RequestedSlice("ada", ("lab",)),
        RefusalReason.GROUP_LIMIT,
        "Group 'lab' has 20 GiB of memory and may have 25 GiB: 10 GiB more is too much. "
        "Wait until a member stops a server, or pick a smaller size.",
        {"asked_mib": 10240, "used_mib": 20480, "limit_mib": 25600},
        document=SIZES + "\ngroups: {lab: {limit: {memory: 25 GiB}}}",
        world=(notebook("b", "bob", groups=("lab",)),),
    ),
    "one slice of the group too many": Case(
        RequestedSlice("ada", ("lab",)),
        RefusalReason.GROUP_LIMIT,
        "Group 'lab' has 1 slice and may have 1. Wait until a member stops a server.",
        {"slices": 1, "most_slices": 1},
        document=SIZES + "\ngroups: {lab: {most_slices: 1}}",
        world=(notebook("b", "bob", groups=("lab",)),),
    ),
    "what is guaranteed to another user": Case(
        RequestedSlice("ada"),
        RefusalReason.NO_ROOM,
        "Pool 'interactive' has 59 GiB of memory left, of which 50 GiB is guaranteed to others: "
        "10 GiB more does not fit.",
        {"asked_mib": 10240, "free_mib": 60416, "kept_mib": 51200},
        document=SIZES
        + "\npools: {interactive: {memory_overcommit: 1}}"
        + "\nusers: {bob: {guaranteed: {memory: 50 GiB}}}",
        world=(notebook("e", "eve"),),
    ),
    "compute that is guaranteed to a group one is not in": Case(
        RequestedSlice("ada"),
        RefusalReason.NO_ROOM,
        "Pool 'interactive' has 4 GPU of compute left, of which 3.9 GPU is guaranteed to others",
        {"asked_milli": 125, "free_milli": 4000, "kept_milli": 3900},
        document=SIZES + "\ngroups: {lab: {guaranteed: {compute: 3.9}}}",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_allowed_is_refused_with_words_and_numbers(name: str) -> None:
    case = REFUSED[name]
    answer = admit(holdings(case.document, *case.world), case.wish)
    assert isinstance(answer, Refusal)
    assert answer.reason is case.reason
    assert case.words in answer.message
    assert answer.numbers == case.numbers


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
        "pools: {p: {}, q: {}}\nusers: {bob: {guaranteed: {memory: 500 GiB, pool: q}}}",
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
        (("tight", "wide"), (), ("tight",)),
        (("tight", "wide"), (notebook("x", "bob", groups=("tight",)),), ("wide",)),
        (("tight", "wide", "kept"), (), ("kept",)),
        (("wide", "kept"), (notebook("x", "bob", gib(30, 1), groups=("kept",)),), ("wide",)),
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
        use = held.accounts.of_user(owner, None)
        limit = 70 if owner == "zoe" else 60 if "lab" in members.get(owner, ()) else 50
        assert use.amount.memory_mib <= limit * 1024
        assert use.amount.compute_milli <= 1000
        assert use.slices <= 3
    lab = held.accounts.of_group("lab", None)
    assert lab.amount.memory_mib <= 90 * 1024
    assert lab.slices <= 5
    assert held.accounts.of_group("club", None).amount.compute_milli <= 1500


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
