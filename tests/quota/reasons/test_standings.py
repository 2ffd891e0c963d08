"""How a slice stands: what comes before what, and the words that every code has."""

from typing import Any

import pytest
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.standings import (
    SliceFacts,
    Standing,
    activity_of,
    standing_meaning,
    standing_of,
    standing_with_next_cell,
    standing_word,
)
from sublet_quota.reasons.waiting import WaitReason

RETURNS = {WaitReason.COMING_BACK, WaitReason.MAKING_ROOM}


def facts(**values: Any) -> SliceFacts:
    usual = {"state": SliceState.RESIDENT, "active": False, "lent": False}
    return SliceFacts(**{**usual, **values})


@pytest.mark.parametrize(
    ("values", "standing"),
    [
        ({}, Standing.IDLE),
        ({"state": SliceState.PAUSED}, Standing.IDLE),
        ({"active": True}, Standing.ACTIVE),
        ({"active": True, "state": SliceState.PAUSED}, Standing.ACTIVE),
        ({"active": True, "state": SliceState.SUSPENDED}, Standing.ACTIVE),
        ({"state": SliceState.SUSPENDED}, Standing.MOVED_OUT),
        ({"lent": True}, Standing.LENT),
        ({"lent": True, "state": SliceState.SUSPENDED}, Standing.LENT),
        ({"lent": True, "active": True}, Standing.LENT),
        ({"move": "suspending"}, Standing.LEAVING),
        ({"move": "suspending", "lent": True, "active": True}, Standing.LEAVING),
        ({"move": "suspending", "wait": WaitReason.COMING_BACK}, Standing.COMING_BACK),
        ({"move": "suspending", "wait": WaitReason.TURN}, Standing.WAITING),
        ({"move": "resuming"}, Standing.COMING_BACK),
        ({"move": "resuming", "wait": WaitReason.TURN, "lent": True}, Standing.COMING_BACK),
    ],
)
def test_what_moves_or_waits_comes_before_what_is_at_rest(
    values: dict[str, Any], standing: Standing
) -> None:
    assert standing_of(facts(**values)) is standing


@pytest.mark.parametrize("reason", WaitReason)
def test_a_slice_that_waits_for_its_own_return_comes_back_and_any_other_waits(
    reason: WaitReason,
) -> None:
    expected = Standing.COMING_BACK if reason in RETURNS else Standing.WAITING
    assert standing_of(facts(wait=reason, active=True, lent=True)) is expected


def test_the_next_cell_brings_back_what_is_in_host_memory_and_else_nothing() -> None:
    assert standing_with_next_cell(1) is Standing.COMING_BACK
    assert standing_with_next_cell(0) is None


def test_an_owner_is_at_work_or_not() -> None:
    assert (activity_of(active=True), activity_of(active=False)) == (
        Standing.ACTIVE,
        Standing.IDLE,
    )


@pytest.mark.parametrize("standing", Standing)
def test_every_standing_has_a_word_and_a_meaning(standing: Standing) -> None:
    word = standing_word(standing)
    assert word == word.strip().lower()
    assert not word.endswith(".")
    meaning = standing_meaning(standing)
    assert meaning[0].isupper()
    assert meaning.endswith(".")


def test_no_two_standings_are_told_alike() -> None:
    assert len({standing_word(each) for each in Standing}) == len(Standing)
    assert len({standing_meaning(each) for each in Standing}) == len(Standing)
