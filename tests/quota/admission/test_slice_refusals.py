"""Admission: what is not allowed, each refusal with its reason and its numbers."""

from dataclasses import replace

import pytest
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.placement.slice_placement import decide_slice
from sublet_quota.reasons.refusal import Refusal, RefusalReason

from tests.support.admission_cases import SIZES, Case, amounts
from tests.support.quota_cases import L4, NOON, gib, gpu, holdings, notebook

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
        "Users without a group may not have size 'big' (sizes.big.for, line 4). Pick another size "
        "(small).",
    ),
    "a size that is not said for one's group": Case(
        RequestedSlice("ada", ("club",), size="big"),
        RefusalReason.SIZE_NOT_ALLOWED,
        "Group 'club' may not have size 'big' (everyone.sizes, line 8). Pick another size (small).",
        document=SIZES.replace(", for: [staff]", "") + "  club: {}\neveryone: {sizes: [small]}",
    ),
    "a size that is not said for one's group, and is for another": Case(
        RequestedSlice("ada", ("club",), size="big"),
        RefusalReason.SIZE_NOT_ALLOWED,
        "Group 'club' may not have size 'big' (sizes.big.for, line 4). Pick another size (small).",
        document=SIZES + "  club: {}\neveryone: {sizes: [small]}",
    ),
    "a group that is not one's own": Case(
        RequestedSlice("ada", ("club",), group="clubb"),
        RefusalReason.UNKNOWN_GROUP,
        "There is no group 'clubb' (did you mean 'club'?) that could pay for 'ada'. Choose one of: "
        "club.",
        document=SIZES + "  club: {}",
    ),
    "a group where one has none": Case(
        RequestedSlice("ada", group="staff"),
        RefusalReason.UNKNOWN_GROUP,
        "There is no group 'staff' that could pay for 'ada'. Name none.",
    ),
    "no size at all to pick": Case(
        RequestedSlice("ada"),
        RefusalReason.SIZE_NOT_ALLOWED,
        "'ada' may pick no size (everyone.sizes, line 1). Ask an administrator.",
        document="everyone: {sizes: []}",
    ),
    "a size in another pool": Case(
        RequestedSlice("ada", size="small", pool="slow"),
        RefusalReason.UNKNOWN_SIZE,
        "Size 'small' lies in pool 'interactive', not in 'slow'.",
        document=SIZES + "\npools: [{name: interactive, default: true}, {name: slow, types: [Z]}]",
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
        "1 GPU on NVIDIA H100 80GB HBM3. Ask an administrator.",
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
        "Users without a group may not have 10241 MiB, 0.1 GPU: the largest size to pick in pool "
        "'interactive' is 10 GiB, 0.125 GPU (when nobody says). Ask for 10 GiB, 0.125 GPU or less.",
        {"asked_mib": 10241, "asked_milli": 100, "largest_mib": 10240, "largest_milli": 125},
    ),
    "own amounts where only sizes are allowed": Case(
        amounts(1024, 100),
        RefusalReason.SIZE_NOT_ALLOWED,
        "Users without a group may not have amounts other than a size's (1 GiB, 0.1 GPU; "
        "everyone.own_amounts, line 8). Pick another size (small).",
        {"asked_mib": 1024, "asked_milli": 100},
        document=SIZES + "\neveryone: {own_amounts: false}",
    ),
    "a type of the document of which there is no GPU": Case(
        RequestedSlice("ada", gpu_type="B200"),
        RefusalReason.NO_GPU,
        (
            "Pool 'interactive' has no GPU of type 'B200' now. There are: H100. Ask an "
            "administrator."
        ),
        document=SIZES + '\ngpu_types: {B200: {match: "*B200*"}, H100: {match: "*H100*"}}',
    ),
    "a GPU type that is written wrongly": Case(
        RequestedSlice("ada", gpu_type="h10O"),
        RefusalReason.NO_GPU,
        ("There is no GPU type 'h10O' (did you mean 'H100'?). Ask for one of: H100."),
        document=SIZES + '\ngpu_types: {B200: {match: "*B200*"}, H100: {match: "*H100*"}}',
    ),
    "a GPU type that is near none": Case(
        RequestedSlice("ada", gpu_type="MI300"),
        RefusalReason.NO_GPU,
        "There is no GPU type 'MI300'. Ask for one of: NVIDIA H100 80GB HBM3.",
    ),
    "a pool whose GPU is closed": Case(
        RequestedSlice("ada"),
        RefusalReason.GPU_CLOSED,
        "In pool 'interactive' the only GPU is closed to new slices: XID 79. Try again later.",
        {"closed_gpus": 1},
        world=(gpu(closed="XID 79"),),
    ),
    "GPUs that an administrator has to open": Case(
        RequestedSlice("ada"),
        RefusalReason.GPU_CLOSED,
        "the only GPU is closed to new slices: fan. An administrator has to open a GPU.",
        {"closed_gpus": 1},
        world=(replace(gpu(closed="fan"), closed_by_hand=True),),
    ),
    "GPUs of which one opens at a time that is said": Case(
        RequestedSlice("ada"),
        RefusalReason.GPU_CLOSED,
        "all 2 GPUs are closed to new slices: fan; move. Try again after 2026-11-23 12:00 UTC.",
        {"closed_gpus": 2},
        world=(
            replace(gpu("a", closed="fan"), closed_by_hand=True),
            replace(gpu("b", closed="move"), closed_by_hand=True, closed_until=NOON),
        ),
    ),
    "GPUs of which one may open at any time": Case(
        RequestedSlice("ada"),
        RefusalReason.GPU_CLOSED,
        "all 2 GPUs are closed to new slices: XID 79; fan. Try again later.",
        {"closed_gpus": 2},
        world=(replace(gpu("a", closed="fan"), closed_by_hand=True), gpu("b", closed="XID 79")),
    ),
    "GPUs that have failed: none opens by itself": Case(
        RequestedSlice("ada"),
        RefusalReason.GPU_CLOSED,
        "all 2 GPUs are closed to new slices: ECC; XID 79. An administrator has to open a GPU.",
        {"closed_gpus": 2},
        world=(
            gpu("a", closed="XID 79", closed_for_good=True),
            # And opening it helps nobody.
            replace(
                gpu("b", closed="ECC", closed_for_good=True),
                closed_by_hand=True,
                closed_until=NOON,
            ),
        ),
    ),
    "a GPU that has failed and one that may open at any time": Case(
        RequestedSlice("ada"),
        RefusalReason.GPU_CLOSED,
        "all 2 GPUs are closed to new slices: XID 79; gone. Try again later.",
        {"closed_gpus": 2},
        world=(gpu("a", closed="XID 79", closed_for_good=True), gpu("b", closed="gone")),
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
        "'ada' has 1 slice and may have 1 (everyone.limit.slices, line 7). Stop another server of "
        "yours.",
        {"slices": 1, "most_slices": 1},
        document=SIZES + "everyone: {limit: {slices: 1}}",
        world=(notebook("a"),),
    ),
    "one more than is usual": Case(
        RequestedSlice("ada"),
        RefusalReason.TOO_MANY_SLICES,
        "'ada' has 4 slices and may have 4 (when nobody says). Stop another server of yours.",
        {"slices": 4, "most_slices": 4},
        world=tuple(notebook(f"s{n}", amount=gib(1)) for n in range(4)),
    ),
    "no slices for anybody: there is none to stop": Case(
        RequestedSlice("ada"),
        RefusalReason.TOO_MANY_SLICES,
        "'ada' has 0 slices and may have 0 (everyone.limit.slices, line 1). Ask an administrator.",
        {"slices": 0, "most_slices": 0},
        document="everyone: {limit: {slices: 0}}",
    ),
    "memory above the person's limit": Case(
        RequestedSlice("ada"),
        RefusalReason.USER_LIMIT,
        "'ada' has 20 GiB of memory and may have 29 GiB (everyone.limit.memory, line 7): 10 GiB "
        "more is too much. Stop another server of yours.",
        {"asked_mib": 10240, "used_mib": 20480, "limit_mib": 29696},
        document=SIZES + "everyone: {limit: {memory: 29 GiB}}",
        world=(notebook("a"),),
    ),
    "cards above the person's limit, with what could be had": Case(
        RequestedSlice("ada", memory_mib=79 * 1024, compute_milli=400),
        RefusalReason.USER_LIMIT,
        "'ada' has 0.253 cards and may have 0.5 cards of all types (everyone.limit.cards, "
        "line 1): 1 card more is too much. Ask for 19.5 GiB, 0.246 GPU or less.",
        {"asked_millicards": 1000, "held_millicards": 253, "limit_millicards": 500},
        document="everyone: {limit: {cards: 1/2}}",
        world=(notebook("a"),),
    ),
    "a type above the person's limit": Case(
        RequestedSlice("ada"),
        RefusalReason.USER_LIMIT,
        "'ada' has 0 cards of NVIDIA L4 and may have 0 cards (everyone.limit.NVIDIA L4, line 7)",
        {"asked_millicards": 434, "held_millicards": 0, "limit_millicards": 0},
        document=SIZES + "everyone: {limit: {NVIDIA L4: 0}}",
        world=(gpu("l", L4),),
    ),
    "memory above the group's limit, held by another member": Case(
        RequestedSlice("ada", ("staff",), size="big"),
        RefusalReason.GROUP_LIMIT,
        "Group 'staff' has 20 GiB of memory and may have 45 GiB (groups.staff.limit.memory, line "
        "6): 40 GiB more is too much. Pick another size (small), or wait until members of staff "
        "stop servers.",
        {"asked_mib": 40960, "used_mib": 20480, "limit_mib": 46080},
        document=SIZES.replace("staff: {}", "staff: {limit: {memory: 45 GiB}}"),
        world=(notebook("b", "bob", group="staff"),),
    ),
    "a limit of the person and one of the group, of which the group's has the least room": Case(
        RequestedSlice("ada", ("staff",), size="big"),
        RefusalReason.GROUP_LIMIT,
        "(groups.staff.limit.memory, line 6)",
        {"asked_mib": 40960, "used_mib": 20480, "limit_mib": 22528},
        document=SIZES.replace("staff: {}", "staff: {limit: {memory: 22 GiB}}")
        + "everyone: {limit: {memory: 25 GiB}}",
        world=(notebook("a", group="staff"),),
    ),
    "the same, of which the person's has the least room": Case(
        RequestedSlice("ada", ("staff",), size="big"),
        RefusalReason.USER_LIMIT,
        "(everyone.limit.memory, line 7)",
        {"asked_mib": 40960, "used_mib": 20480, "limit_mib": 22528},
        document=SIZES.replace("staff: {}", "staff: {limit: {memory: 25 GiB}}")
        + "everyone: {limit: {memory: 22 GiB}}",
        world=(notebook("a", group="staff"),),
    ),
    "the group's limit, and no member has a server": Case(
        RequestedSlice("ada", ("staff",), size="big"),
        RefusalReason.GROUP_LIMIT,
        "is too much. Pick another size (small).",
        {"asked_mib": 40960, "used_mib": 0, "limit_mib": 20480},
        document=SIZES.replace("staff: {}", "staff: {limit: {memory: 20 GiB}}"),
    ),
    "one slice of the group too many": Case(
        RequestedSlice("ada", ("staff",)),
        RefusalReason.GROUP_LIMIT,
        "Group 'staff' has 1 slice and may have 1 (groups.staff.limit.slices, line 6). Wait until "
        "members of staff stop servers.",
        {"slices": 1, "most_slices": 1},
        document=SIZES.replace("staff: {}", "staff: {limit: {slices: 1}}"),
        world=(notebook("b", "bob", group="staff"),),
    ),
    "a group that is full where another of one's own could pay": Case(
        RequestedSlice("ada", ("staff", "club"), group="staff"),
        RefusalReason.GROUP_LIMIT,
        "Have another group of yours pay (club), or wait until members of staff stop servers.",
        {"slices": 1, "most_slices": 1},
        document=SIZES.replace("staff: {}", "staff: {limit: {slices: 1}}\n  club: {}"),
        world=(notebook("b", "bob", group="staff"),),
    ),
    "a type that one's group may not use": Case(
        RequestedSlice("ada", ("staff",)),
        RefusalReason.SIZE_NOT_ALLOWED,
        "Group 'staff' may not have slices on NVIDIA H100 80GB HBM3 (groups.staff.types, line 6). "
        "Ask an administrator.",
        document=SIZES.replace("staff: {}", "staff: {types: [NVIDIA L4]}"),
        world=(gpu(),),
    ),
    "a size of a type that is not there": Case(
        RequestedSlice("ada", size="l4s"),
        RefusalReason.NO_GPU,
        "Size 'l4s' is had on L4 alone, and pool 'interactive' has none of them now. There are: "
        "NVIDIA H100 80GB HBM3. Pick another size (small).",
        document=SIZES.replace(
            "groups:", "  - {name: l4s, memory: 1 GiB, compute: 1, types: [L4]}\ngroups:"
        )
        + "gpu_types: {L4: {match: '*L4*'}}",
    ),
    "no room, and nobody above their share": Case(
        RequestedSlice("ada"),
        RefusalReason.NO_ROOM,
        "Users without a group have 1 card of NVIDIA H100 80GB HBM3, and a share of 1 card. In the "
        "way are slices of users without a group. Wait until somebody stops a server.",
        {
            "asked_mib": 10240,
            "asked_milli": 125,
            "free_mib": 1024,
            "free_milli": 0,
            "held_millicards": 1000,
            "share_millicards": 1000,
        },
        document=SIZES + "pools: [{name: p, memory_overcommit: 1, compute_overcommit: 1}]",
        world=(notebook("e", "eve", gib(78, 1000)),),
    ),
    "no room for direct members of a group with groups in it": Case(
        RequestedSlice("ada", ("research",)),
        RefusalReason.NO_ROOM,
        "Members of 'research' itself have 0 cards of NVIDIA H100 80GB HBM3, and a share of "
        "0.127 cards. In the way are slices of 'nlp'. Wait until somebody stops a server.",
        {
            "asked_mib": 10240,
            "asked_milli": 125,
            "free_mib": 1024,
            "free_milli": 0,
            "held_millicards": 0,
            "share_millicards": 126,
        },
        document=SIZES.replace("groups:", "groups:\n  research: {groups: {nlp: {}}}")
        + "pools: [{name: p, memory_overcommit: 1, compute_overcommit: 1}]",
        world=(notebook("e", "eve", gib(78, 1000), group="nlp"),),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_allowed_is_refused_with_words_and_numbers(name: str) -> None:
    case = REFUSED[name]
    answer = decide_slice(holdings(case.document, *case.world), case.wish)
    assert isinstance(answer, Refusal)
    assert answer.reason is case.reason
    assert case.words in answer.message
    assert answer.numbers == case.numbers
