"""Another size for a slice that is there: on its GPU, within the quotas, never below what it holds.

The GPU has 79 GiB for slices (80 less the margin); the slice is 20 GiB and a quarter of it.
"""

import pytest
from sublet_quota.holdings.gpu_load import AsBefore, GpuFacts
from sublet_quota.placement.resize import NewSize, Resized, decide_resize
from sublet_quota.reasons.helping import HelpKind
from sublet_quota.reasons.refusal import Refusal, RefusalReason

from tests.support.quota_cases import NOON, gib, gpu, holdings, notebook

NO_OVERCOMMIT = "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"


def decide(
    text: str, new: NewSize, *others, held_mib: int | None = 0, groups: tuple[str, ...] = ()
):
    mine = notebook("a", group=groups[0] if groups else None)
    return decide_resize(holdings(text, *others), mine, groups, new, held_mib)


def test_what_is_left_out_stays_as_it_is() -> None:
    answer = decide(NO_OVERCOMMIT, NewSize(memory_mib=30 * 1024))
    assert answer == Resized(gib(30, 250), None, None)
    answer = decide(NO_OVERCOMMIT, NewSize(compute_milli=500))
    assert answer == Resized(gib(20, 500), None, None)


def test_a_size_by_name_is_what_it_is_on_this_gpu() -> None:
    sizes = NO_OVERCOMMIT + "sizes: [{name: half, memory: 1/2, compute: 0.5}]\n"
    answer = decide(sizes, NewSize(size="half"))
    assert isinstance(answer, Resized)
    assert (answer.size, answer.amount.compute_milli) == ("half", 500)
    assert answer.amount.memory_mib == 79 * 1024 // 2


def test_where_it_is_not_told_what_is_held_it_may_grow_and_not_shrink() -> None:
    smaller = decide(NO_OVERCOMMIT, NewSize(memory_mib=19 * 1024), held_mib=None)
    assert isinstance(smaller, Refusal)
    assert smaller.reason is RefusalReason.BELOW_HELD
    assert "does not tell how much your processes hold" in smaller.message
    larger = decide(NO_OVERCOMMIT, NewSize(memory_mib=30 * 1024), held_mib=None)
    assert isinstance(larger, Resized)


def test_never_below_what_is_held() -> None:
    answer = decide(NO_OVERCOMMIT, NewSize(memory_mib=4 * 1024), held_mib=5 * 1024)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.BELOW_HELD
    assert answer.numbers == {"asked_mib": 4096, "held_mib": 5120}


def test_less_is_possible_on_a_gpu_that_is_full() -> None:
    full = notebook("b", "ben", gib(79, 1000))
    assert decide(NO_OVERCOMMIT, NewSize(memory_mib=8 * 1024), full) == Resized(
        gib(8, 250), None, None
    )


@pytest.mark.parametrize(
    ("text", "new", "reason"),
    [
        ("everyone: {limit: {memory: 25 GiB}}", NewSize(memory_mib=26 * 1024), "user-limit"),
        ("", NewSize(memory_mib=90 * 1024), "larger-than-gpu"),
        ("", NewSize(size="huge"), "unknown-size"),
        ("", NewSize(size="small", memory_mib=1024), "bad-amount"),
        ("everyone: {own_amounts: false}", NewSize(memory_mib=1024), "size-not-allowed"),
        ("everyone: {sizes: [small]}", NewSize(size="medium"), "size-not-allowed"),
    ],
)
def test_quotas_hold_for_a_new_size_as_for_a_new_slice(
    text: str, new: NewSize, reason: str
) -> None:
    answer = decide(text, new)
    assert isinstance(answer, Refusal)
    assert answer.reason == reason


def test_without_room_it_says_how_much_there_is() -> None:
    from_others = notebook("b", "ben", gib(50, 100))
    answer = decide(NO_OVERCOMMIT, NewSize(memory_mib=40 * 1024), from_others)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.NO_ROOM
    assert answer.numbers["free_mib"] == 29 * 1024
    assert "tart your server again" not in answer.message, "it would find no room either"


def test_that_there_is_room_on_another_gpu_is_said() -> None:
    from_others = notebook("b", "ben", gib(50, 100))
    answer = decide(
        NO_OVERCOMMIT, NewSize(memory_mib=40 * 1024), gpu(), gpu("g", node="node-z"), from_others
    )
    assert isinstance(answer, Refusal)
    assert "tart your server again with the larger size" in answer.message


@pytest.mark.parametrize(
    ("cards", "helps"),
    [
        ((gpu("other", index=1),), HelpKind.START_AGAIN),
        ((gpu("other", index=1, closed="XID 79", closed_for_good=True),), HelpKind.ADMIN),
    ],
)
def test_on_a_card_that_is_gone_a_start_is_advised_only_where_it_would_have_another(
    cards: tuple[GpuFacts, ...], helps: HelpKind
) -> None:
    mine = notebook("a", on="gone")
    answer = decide_resize(holdings(NO_OVERCOMMIT, *cards), mine, (), NewSize(compute_milli=500), 0)
    assert isinstance(answer, Refusal)
    assert (answer.reason, [each.kind for each in answer.helps]) == (RefusalReason.NO_GPU, [helps])


def test_who_grows_within_a_guarantee_calls_back_what_others_borrow() -> None:
    text = NO_OVERCOMMIT + "groups: {lab: {guaranteed: {'NVIDIA H100 80GB HBM3': 1}}}\n"
    borrowed = notebook("b", "ben", gib(50, 100))
    answer = decide(text, NewSize(size="whole"), borrowed, groups=("lab",))
    assert isinstance(answer, Resized)
    assert answer.calls_back == ("b",)


def test_who_is_a_member_no_more_may_still_have_less() -> None:
    mine = notebook("a", group="lab")
    held = holdings(NO_OVERCOMMIT + "groups: {lab: {}}")
    smaller = decide_resize(held, mine, (), NewSize(size="small"), 0)
    assert isinstance(smaller, Resized)
    assert smaller.group == "lab"
    larger = decide_resize(held, mine, (), NewSize(size="whole"), 0)
    assert isinstance(larger, Refusal)
    assert larger.reason is RefusalReason.UNKNOWN_GROUP


LEFT = """
groups:
  lab: {}
  a: {sizes: [whole]}
  b: {sizes: [small]}
"""


@pytest.mark.parametrize("text", [LEFT, LEFT.replace("a: ", "c: ")])
def test_the_sizes_of_who_left_are_those_of_the_group_that_would_pay_whatever_its_name(
    text: str,
) -> None:
    mine = notebook("s", group="lab")
    groups = tuple(name for name in ("a", "b", "c") if f"{name}: " in text)
    smaller = decide_resize(holdings(NO_OVERCOMMIT + text, *()), mine, groups, NewSize("small"), 0)
    assert isinstance(smaller, Resized)


def test_the_groups_limit_counts_with_the_old_size_out_of_the_way() -> None:
    text = NO_OVERCOMMIT + "groups: {lab: {limit: {memory: 60 GiB}}}\n"
    bens = notebook("b", "ben", gib(30, 100), group="lab")
    fits = decide(text, NewSize(memory_mib=30 * 1024), bens, groups=("lab",))
    assert isinstance(fits, Resized)
    assert fits.group == "lab"
    over = decide(text, NewSize(memory_mib=31 * 1024), bens, groups=("lab",))
    assert isinstance(over, Refusal)
    assert over.reason is RefusalReason.GROUP_LIMIT


@pytest.mark.parametrize(("gib_then", "lasts"), [(10, True), (20, True), (21, False)])
def test_what_counts_as_before_does_so_as_long_as_it_does_not_grow(
    gib_then: int, *, lasts: bool
) -> None:
    """Else whoever has a little as before would have all of a card by the same right."""
    grace = AsBefore(NOON, 1)
    mine = notebook("a", group="lab", before=grace)
    held = holdings(NO_OVERCOMMIT + "groups: {lab: {}}")
    answer = decide_resize(held, mine, ("lab",), NewSize(memory_mib=gib_then * 1024), 0)
    assert isinstance(answer, Resized)
    assert answer.before == (grace if lasts else None)
