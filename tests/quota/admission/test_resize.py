"""Another size for a slice that is there: on its GPU, within the quotas, never below what it holds.

The GPU has 79 GiB for slices (80 less the margin); the slice is 20 GiB and a quarter of it.
"""

import pytest
from sublet_quota.admission.resize import NewSize, Resized, decide_resize
from sublet_quota.reasons.refusal import Refusal, RefusalReason

from tests.support.quota_cases import gib, holdings, notebook

NO_OVERCOMMIT = "pools: {interactive: {memory_overcommit: 1, compute_overcommit: 1}}\n"


def decide(
    text: str, new: NewSize, *others, held_mib: int | None = 0, groups: tuple[str, ...] = ()
):
    return decide_resize(holdings(text, *others), notebook("a"), groups, new, held_mib)


def test_what_is_left_out_stays_as_it_is() -> None:
    answer = decide(NO_OVERCOMMIT, NewSize(memory_mib=30 * 1024))
    assert answer == Resized(gib(30, 250), None, ())
    answer = decide(NO_OVERCOMMIT, NewSize(compute_milli=500))
    assert answer == Resized(gib(20, 500), None, ())


def test_a_size_by_name_is_what_it_is_on_this_gpu() -> None:
    sizes = NO_OVERCOMMIT + "sizes: {half: {memory: 1/2, compute: 0.5}}\n"
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
        gib(8, 250), None, ()
    )


@pytest.mark.parametrize(
    ("text", "new", "reason"),
    [
        ("users: {ada: {limit: {memory: 25 GiB}}}", NewSize(memory_mib=26 * 1024), "user-limit"),
        ("", NewSize(memory_mib=90 * 1024), "larger-than-gpu"),
        ("", NewSize(size="huge"), "unknown-size"),
        ("", NewSize(size="small", memory_mib=1024), "bad-amount"),
        ("everyone: {own_amounts: false}", NewSize(memory_mib=1024), "size-not-allowed"),
        ("users: {ada: {sizes: [small]}}", NewSize(size="medium"), "size-not-allowed"),
    ],
)
def test_quotas_hold_for_a_new_size_as_for_a_new_slice(
    text: str, new: NewSize, reason: str
) -> None:
    answer = decide(text, new)
    assert isinstance(answer, Refusal)
    assert answer.reason == reason


def test_room_on_another_gpu_does_not_help_and_it_says_so() -> None:
    from_others = notebook("b", "ben", gib(50, 100))
    answer = decide(NO_OVERCOMMIT, NewSize(memory_mib=40 * 1024), from_others)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.NO_ROOM
    assert answer.numbers["free_mib"] == 29 * 1024
    assert "start your server again" in answer.message


def test_the_groups_limit_counts_with_the_old_size_out_of_the_way() -> None:
    text = NO_OVERCOMMIT + "groups: {lab: {limit: {memory: 60 GiB}}}\n"
    bens = notebook("b", "ben", gib(30, 100), groups=("lab",))
    fits = decide(text, NewSize(memory_mib=30 * 1024), bens, groups=("lab",))
    assert isinstance(fits, Resized)
    assert fits.groups == ("lab",)
    over = decide(text, NewSize(memory_mib=31 * 1024), bens, groups=("lab",))
    assert isinstance(over, Refusal)
    assert over.reason is RefusalReason.GROUP_LIMIT
