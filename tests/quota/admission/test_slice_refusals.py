"""Admission: what is not allowed, each refusal with its reason and its numbers."""

import pytest
from sublet_quota.admission.slice_admission import admit
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.reasons.refusal import Refusal, RefusalReason

from tests.support.admission_cases import SIZES, Case, amounts
from tests.support.quota_cases import L4, gpu, holdings, notebook

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
        document=SIZES + "\npools: [{name: interactive}, {name: slow}]",
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
