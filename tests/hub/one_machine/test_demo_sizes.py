"""The demo's amounts on made-up cards and hosts."""

import pytest
from sublet_hub.one_machine.demo.sizes import (
    CONTEXT_GIB,
    HOST_RESERVE_GIB,
    LEAST_LARGE,
    MOST_LARGE,
    MOVES_WITHIN_S,
    Scarce,
    Sizes,
    TooSmall,
    nvidia_sizes,
    simulated_sizes,
)

MARGIN_GIB = 1.0
"""What the agent keeps free."""


def sizes(card_gib: float, host_gib: float) -> Sizes:
    found = nvidia_sizes(card_gib, host_gib)
    assert isinstance(found, Sizes)
    return found


MACHINES = pytest.mark.parametrize(
    ("card_gib", "host_gib"),
    [(14.6, 60), (39.4, 60), (79.6, 75), (79.6, 120), (79.6, 1900), (140.4, 240), (179, 1900)],
    ids=["16/64", "40/64", "80/80", "80/128", "80/2000", "141/256", "180/2000"],
)


@MACHINES
def test_two_large_owners_do_not_meet_and_the_small_one_and_the_training_do(card_gib, host_gib):
    found = sizes(card_gib, host_gib)
    large_cap, small_cap = found.large_cap_mib / 1024, found.small_cap_mib / 1024
    assert found.large_gib + large_cap > card_gib - MARGIN_GIB
    assert found.large_gib + CONTEXT_GIB < large_cap
    assert found.small_gib + CONTEXT_GIB < small_cap
    assert found.training_gib + large_cap > card_gib - MARGIN_GIB
    assert found.training_gib + CONTEXT_GIB + small_cap < card_gib - MARGIN_GIB
    assert 2 * large_cap + small_cap <= 2 * card_gib


@MACHINES
def test_everybody_who_is_suspended_has_room_in_the_host(card_gib, host_gib):
    found = sizes(card_gib, host_gib)
    with_training = 2 * found.large_gib + found.small_gib
    with_one_owner = found.large_gib + found.small_gib + found.training_gib
    images = max(with_training, with_one_owner) + 3 * CONTEXT_GIB
    assert images + HOST_RESERVE_GIB <= host_gib + 0.001


@pytest.mark.parametrize(
    ("card_gib", "host_gib", "large_share"),
    [(14.6, 200, MOST_LARGE), (39.4, 60, 0.44), (79.6, 120, 0.42), (179, 1900, LEAST_LARGE)],
    ids=["as the story wants it", "as the host allows", "as time allows", "the least"],
)
def test_owners_hold_what_card_host_and_time_allow(card_gib, host_gib, large_share):
    assert sizes(card_gib, host_gib).large_gib / card_gib == pytest.approx(large_share, abs=0.01)


def test_all_moves_take_minutes_where_the_card_is_not_too_large_for_that():
    assert sizes(39.4, 60).moves_s < MOVES_WITHIN_S
    assert sizes(79.6, 1900).moves_s == pytest.approx(MOVES_WITHIN_S)
    assert MOVES_WITHIN_S < sizes(179, 1900).moves_s < 1.6 * MOVES_WITHIN_S


@MACHINES
def test_a_wait_is_longer_than_what_it_waits_for_at_the_slowest(card_gib, host_gib):
    found = sizes(card_gib, host_gib)
    out_and_back = found.large_gib / 1.7 + found.large_gib / 4.8
    everybody_out = (2 * found.large_gib + found.small_gib) / 1.7
    assert found.patience_s > 100 + out_and_back
    assert found.patience_s > everybody_out + found.training_gib / 1.7
    # The third makes room first; then each has the card once, and the first of them goes.
    assert found.turns_patience_s > 100 + found.small_gib / 1.7 + 2 * out_and_back
    assert found.give_back_within_s >= 1.5 * found.training_gib / 1.7


@pytest.mark.parametrize(
    ("card_gib", "host_gib", "refusal"),
    [
        (7.6, 60, TooSmall(Scarce.CARD, 12, 7.6)),
        (79.6, 60, TooSmall(Scarce.HOST, pytest.approx(72.9, abs=0.1), 60)),
        (139.7, 110, TooSmall(Scarce.HOST, pytest.approx(116.7, abs=0.1), 110)),
    ],
    ids=["card", "80/64", "141/128, used by others"],
)
def test_where_the_story_cannot_be_played_it_is_said_what_there_is_too_little_of(
    card_gib, host_gib, refusal
):
    assert nvidia_sizes(card_gib, host_gib) == refusal


def test_a_simulated_card_is_filled_as_ever_whatever_the_host_has():
    found = simulated_sizes(80, speed=40)
    assert (found.large_gib, found.small_gib, found.training_gib) == (50, 30, 20)
    assert (found.large_cap_mib, found.small_cap_mib) == (61440, 40960)
    assert 240 < found.patience_s < 245
