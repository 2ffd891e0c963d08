"""Why something waits, in words: every code has them, with its numbers, and nobody is named."""

from dataclasses import replace

import pytest
from sublet_quota.names.ids import NodeId
from sublet_quota.reasons.jobs_off import JobsOff, jobs_off_clause
from sublet_quota.reasons.waiting import (
    AwaitedMove,
    CellWait,
    KeptGpu,
    QueueReason,
    QueueWait,
    WaitReason,
    cell_sentence,
    queue_clause,
    wait_clause,
)

GIB = 1024


@pytest.mark.parametrize("reason", WaitReason)
def test_every_reason_is_a_sentence_for_a_cell_and_a_clause_for_others(reason: WaitReason) -> None:
    told = cell_sentence(CellWait(reason, place=3, others=2, need_mib=10 * GIB))
    assert told[0].isupper() or told[0].isdigit()
    assert told.endswith(".")
    assert "{" not in told
    clause = wait_clause(reason)
    assert not clause.endswith(".")
    assert clause[0].islower()


def test_no_two_reasons_are_told_alike() -> None:
    assert len({wait_clause(reason) for reason in WaitReason}) == len(WaitReason)
    assert len({cell_sentence(CellWait(reason)) for reason in WaitReason}) == len(WaitReason)


@pytest.mark.parametrize("move", AwaitedMove)
def test_every_move_that_is_awaited_is_told_with_its_time(move: AwaitedMove) -> None:
    wait = CellWait(
        WaitReason.MAKING_ROOM, need_mib=4 * GIB, move=move, moving_mib=8 * GIB, seconds_left=15.2
    )
    told = cell_sentence(wait)
    assert "about 15 s left" in told
    assert ("8 GiB" in told) is (move is not AwaitedMove.ANOTHERS)


def test_the_line_and_the_end_of_anothers_turn_are_told() -> None:
    told = cell_sentence(CellWait(WaitReason.TURN, place=2, others=3, seconds_left=40.0))
    assert told == (
        "3 others are at work on this GPU, and not all fit at once: you are number 2 in line, and "
        "it is another's turn. It ends in about 40 s."
    )


def test_who_borrows_is_told_that_nothing_is_lost_and_when_it_goes_on() -> None:
    told = cell_sentence(CellWait(WaitReason.CALLED_BACK, others=1))
    assert told == (
        "Your slice is borrowed, and another owner is at work on this GPU to whom the room is "
        "guaranteed. Nothing is lost: your slice goes on as soon as there is room for it, or they "
        "are idle."
    )


def test_who_is_called_back_is_told_that_its_place_is_due_to_others() -> None:
    told = cell_sentence(CellWait(WaitReason.CALLED_BACK, others=2, called_back=True))
    assert told == (
        "Your slice is called back: its place is due to others, and 2 others are at work on this "
        "GPU. Nothing is lost: your slice goes on as soon as nobody of those needs the room."
    )
    turn = CellWait(WaitReason.TURN, others=2)
    assert cell_sentence(turn) == cell_sentence(replace(turn, called_back=True))


@pytest.mark.parametrize("reason", QueueReason)
def test_every_reason_in_the_queue_has_its_clause(reason: QueueReason) -> None:
    wait = QueueWait(
        reason,
        need_mib=20 * GIB,
        most_mib=12 * GIB,
        host_mib=8 * GIB,
        largest_mib=16 * GIB,
        gpu_type="H100",
        kept=KeptGpu(NodeId("node-a"), 1),
    )
    told = queue_clause(wait)
    assert not told.endswith(".")
    expected = {
        QueueReason.LENDING_OFF: "switched off",
        QueueReason.NO_GPU: "no GPU of type 'H100'",
        QueueReason.LARGER_THAN_GPU: "needs 20 GiB, and the largest GPU that is open to jobs now",
        QueueReason.GPU_KEPT: "GPU 1 of node-a is kept for it",
        QueueReason.BEHIND_OTHERS: "are kept for jobs before it: it begins after those",
        QueueReason.TOO_LITTLE_IDLE: "the most that one GPU can lend now is 12 GiB",
        QueueReason.GIVE_BACK_TOO_SLOW: "which could not leave in time for owners who come back",
        QueueReason.HOST_MEMORY: "the node has host memory for 8 GiB more to suspend it into",
        QueueReason.LIMIT_FULL: "a limit is full",
        QueueReason.NOT_ALLOWED: "are of types or sizes not allowed",
    }
    assert expected[reason] in told


@pytest.mark.parametrize("reason", [r for r in QueueReason if r is not QueueReason.LENDING_OFF])
def test_a_job_that_one_node_alone_can_run_is_told_so(reason: QueueReason) -> None:
    told = queue_clause(QueueWait(reason, need_mib=GIB, node=NodeId("node-b")))
    assert told.endswith("it runs on node-b alone, where its owner's files are in use")


@pytest.mark.parametrize("why", JobsOff)
def test_who_waits_for_jobs_to_be_switched_on_is_told_who_can_do_that(why: JobsOff) -> None:
    assert "an administrator" in jobs_off_clause(why)
