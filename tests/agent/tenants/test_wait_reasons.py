"""What a waiting cell's owner is told of the moves on their GPU."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sublet_agent.moves.plan import UndoSwitch
from sublet_agent.residency.served_gpu import RunningMove
from sublet_agent.tenants.wait_reasons import describe
from sublet_quota.amounts.gpu_amounts import MIB_PER_GIB
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.actions import Wait
from sublet_quota.residency.snapshot import Rank, TransitionKind

NOW = datetime(2026, 11, 1, tzinfo=UTC)
COMING, ROOM = WaitReason.COMING_BACK, WaitReason.MAKING_ROOM
OUT, BACK = TransitionKind.SUSPENDING, TransitionKind.RESUMING


def wait(reason: WaitReason) -> Wait:
    return Wait(
        slice_id=SliceId("mine"),
        reason=reason,
        place=1,
        waits_for=(),
        need_mib=4 * MIB_PER_GIB,
        free_mib=0,
        turn_ends=None,
    )


def move(whose: str, kind: TransitionKind) -> RunningMove:
    began = NOW - timedelta(seconds=5)
    return RunningMove(
        slice_id=SliceId(whose),
        kind=kind,
        undo=UndoSwitch(),
        began=began,
        bytes_mib=48 * MIB_PER_GIB,
        expected_s=20.0,
    )


@pytest.mark.parametrize(
    ("reason", "moving", "words", "moving_gib"),
    [
        (
            COMING,
            move("mine", BACK),
            "Your 48 GiB are coming back to the GPU, about 15 s left.",
            48,
        ),
        (
            COMING,
            move("mine", OUT),
            (
                "Your 48 GiB are on the way out, and come back as soon as they have arrived, "
                "about 15 s left."
            ),
            48,
        ),
        (
            COMING,
            move("another", OUT),
            (
                "Your 4 GiB come back to the GPU next. First ends another's move on this GPU, "
                "about 15 s left."
            ),
            0,
        ),
        (
            COMING,
            move("another", BACK),
            (
                "Your 4 GiB come back to the GPU next. First ends another's move on this GPU, "
                "about 15 s left."
            ),
            0,
        ),
        (
            ROOM,
            move("another", OUT),
            "Room for your 4 GiB is being made: 48 GiB are being moved away, about 15 s left.",
            48,
        ),
        (
            ROOM,
            move("another", BACK),
            (
                "Room for your 4 GiB is being made. First ends another's move on this GPU, "
                "about 15 s left."
            ),
            0,
        ),
        (COMING, None, "Your 4 GiB come back to the GPU next.", 0),
        (ROOM, None, "Room for your 4 GiB is being made.", 0),
    ],
)
def test_only_a_move_it_waits_for_is_told_with_its_bytes(reason, moving, words, moving_gib):
    told = describe(wait(reason), moving, NOW)
    assert told.message == words
    assert told.moving_mib == moving_gib * MIB_PER_GIB
    assert told.seconds_left == (None if moving is None else 15.0)


@pytest.mark.parametrize(
    ("rank", "words"),
    [
        (Rank.BORROWED, "Your slice is borrowed, "),
        (Rank.CALLED_BACK, "Your slice is called back: "),
    ],
)
def test_who_makes_way_for_others_is_told_by_which_right_it_was_there(rank, words):
    others = (SliceId("b"), SliceId("c"))
    waits = replace(wait(WaitReason.CALLED_BACK), rank=rank, waits_for=others)
    told = describe(waits, move("mine", OUT), NOW)
    assert told.reason is WaitReason.CALLED_BACK
    assert told.message.startswith(words)
    assert "2 others are at work" in told.message
    assert told.seconds_left is None
