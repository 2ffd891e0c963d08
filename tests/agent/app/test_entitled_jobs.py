"""A real agent and jobs within their group's guarantee, beside owners: by turns, and alive."""

import os
import signal
from datetime import UTC, datetime

import pytest
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.snapshot import Rank

from tests.support.agent_world import agent_world
from tests.support.simulated_gpus import UNTIL_TOLD_S

APPLICATION = "sublet_agent.app.application"
NOBODY_FALLS_IDLE = {"idle_after_s": 600.0, "turn_s": 600.0}
"""Turns are longer than any test waits: who gets a seat in time did not wait for one's end."""
SHORT_TURNS = {"turn_s": 0.3}


def a_job_at_work(world):
    """Serve an entitled job that holds most of its cap; its process and its memory's hash."""
    world.serve(world.job("j", 70, rank=Rank.ENTITLED), **NOBODY_FALLS_IDLE)
    world.until(lambda: world.report("j").gate_open)
    job = world.kernel("j")
    return job, job.fill(65, 2)


def a_borrower_and_a_job_at_work(world, rank=Rank.ENTITLED):
    """Serve an owner who borrows, idle and suspended by now, and an entitled job in their room.

    Each holds their memory: who comes to hold some within a short turn alone would find that of
    whose turn is next, where they are too slow.
    """
    b = world.notebook("b", 60, owner="bob")
    world.serve(b, **NOBODY_FALLS_IDLE)
    bob = world.kernel("b")
    his = bob.enter_and_fill(50, 1)
    # What the agent has not seen yet it takes for free once he is idle.
    world.until(lambda: world.report("b").memory_mib >= 50 * world.gib)
    falls_idle(world, bob, b)
    world.until_idle("b")
    world.serve_too(world.job("j", 70, rank=rank))
    world.until(lambda: world.report("j").gate_open)
    job = world.kernel("j")
    its = job.fill(65, 2)
    assert world.truth(bob.pid) == "checkpointed"
    return bob, his, job, its


def waits(world, slice_id, reason):
    """Wait until the agent says why this slice waits; for whom."""

    def is_told():
        wait = world.report(slice_id).wait
        return wait is not None and wait.reason is reason

    world.until(is_told)
    return world.report(slice_id).wait.waits_for


def falls_idle(world, kernel, assigned):
    """An owner's cell is over, and they give their slice up for now."""
    kernel.ends_cell()
    world.until(lambda: not world.report(assigned.slice_id).running_cell)
    given_up = assigned.model_copy(update={"given_up_at": datetime.now(UTC)})
    others = (s for s in world.service.slices if s.slice_id != assigned.slice_id)
    world.service.assign(*others, given_up)


@pytest.mark.parametrize("rank", [Rank.ENTITLED, Rank.ENTITLED_IN_PART])
def test_an_entitled_job_and_a_borrowed_slice_at_work_take_turns_and_lose_nothing(tmp_path, rank):
    with agent_world(tmp_path) as world:
        bob, his, job, its = a_borrower_and_a_job_at_work(world, rank)
        bob.tenant.begin("enter()")
        assert waits(world, "b", WaitReason.TURN) == ("j",)
        assert world.truth(job.pid) == "running"
        world.set_pool(**SHORT_TURNS)
        world.until(lambda: world.events("suspended", "j"))
        assert bob.tenant.end().startswith("['open'")
        # His turn ends, too, though he is at work. (Once he was suspended before.)
        world.until(lambda: len(world.events("suspended", "b")) > 1)
        world.until(lambda: len(world.events("gate-opened", "j")) > 1)
        assert job.digest() == its
        assert bob.enter_and_digest() == his
        assert world.gpus.administration.inspect().lost == ()


def test_an_entitled_job_makes_way_for_an_entitled_cell_at_once_and_comes_back(tmp_path):
    with agent_world(tmp_path) as world:
        job, its = a_job_at_work(world)
        e = world.notebook("e", 60, owner="eve", rank=Rank.ENTITLED)
        world.serve_too(e)
        eve = world.kernel("e")
        hers = eve.enter_and_fill(50, 1)
        assert world.truth(job.pid) == "checkpointed"
        assert waits(world, "j", WaitReason.CALLED_BACK) == ("e",)
        falls_idle(world, eve, e)
        world.until(lambda: world.report("j").gate_open)
        assert job.digest() == its
        assert eve.enter_and_digest() == hers
        assert not world.events("evicted")


def test_an_entitled_job_begins_beside_a_borrowed_cell_and_another_job_does_not(tmp_path):
    with agent_world(tmp_path) as world:
        world.serve(world.notebook("b", 30, owner="bob"), **NOBODY_FALLS_IDLE)
        bob = world.kernel("b")
        bob.enter_and_fill(20, 1)
        world.serve_too(world.job("j", 40, rank=Rank.ENTITLED), world.job("k", 5))
        world.until(lambda: world.report("j").gate_open)
        assert waits(world, "k", WaitReason.OWNERS_ACTIVE) == ("b",)
        job = world.kernel("j")
        its = job.fill(30, 2)
        assert world.report("b").gate_open
        # What was right is not for ever: then the job stands behind the owner.
        world.service.assign(*world.service.slices[:1], world.job("j", 40), world.job("k", 5))
        world.until(lambda: world.truth(job.pid) == "locked")
        world.service.assign(*world.service.slices[:1], world.job("j", 40, rank=Rank.ENTITLED))
        assert job.digest() == its


def test_an_idle_borrowed_slice_makes_room_for_an_entitled_job_beside_one_at_work(tmp_path):
    with agent_world(tmp_path) as world:
        idle, busy = world.notebook("i", 40, owner="ida"), world.notebook("b", 10, owner="bob")
        world.serve(idle, busy, **NOBODY_FALLS_IDLE)
        ida, bob = world.kernel("i"), world.kernel("b")
        hers = ida.enter_and_fill(30, 1)
        bob.enter_and_fill(5, 2)
        # What the agent has not seen yet it takes for free once she is idle.
        world.until(lambda: world.report("i").memory_mib >= 30 * world.gib)
        falls_idle(world, ida, idle)
        world.until_idle("i")
        world.serve_too(world.job("j", 60, rank=Rank.ENTITLED))
        world.until(lambda: world.report("j").gate_open)
        assert world.truth(ida.pid) == "checkpointed"
        assert world.report("b").gate_open
        job = world.kernel("j")
        its = job.fill(55, 3)
        # She is at work again: by turns with the job.
        ida.tenant.begin("enter()[0]")
        waits(world, "i", WaitReason.TURN)
        world.set_pool(**SHORT_TURNS)
        assert ida.tenant.end() == "'open'"
        assert (ida.enter_and_digest(), job.digest()) == (hers, its)


@pytest.mark.parametrize("operation", [OperationKind.LOCK, OperationKind.CHECKPOINT])
def test_a_job_whose_move_fails_is_neither_lost_nor_ended_and_the_owner_runs(tmp_path, operation):
    with agent_world(tmp_path, speed=200) as world:
        job, its = a_job_at_work(world)
        world.gpus.administration.fail(operation, CudaCode.OPERATING_SYSTEM, pid=job.pid)
        e = world.notebook("e", 60, owner="eve", rank=Rank.ENTITLED)
        world.serve_too(e)
        eve = world.kernel("e")
        hers = eve.enter_and_fill(50, 1)
        falls_idle(world, eve, e)
        assert job.digest() == its
        assert eve.enter_and_digest() == hers
        assert not world.events("evicted")
        assert world.gpus.administration.inspect().lost == ()


def test_an_agent_that_dies_while_a_job_makes_way_leaves_both_alive(tmp_path):
    with agent_world(tmp_path, module=APPLICATION, speed=100) as world:
        bob, his, job, its = a_borrower_and_a_job_at_work(world)
        administration = world.gpus.administration
        administration.delay(OperationKind.CHECKPOINT, UNTIL_TOLD_S, pid=job.pid)
        bob.tenant.begin("enter()")
        waits(world, "b", WaitReason.TURN)
        world.set_pool(**SHORT_TURNS)

        def leaves():
            process = administration.inspect().process(job.pid)
            return process is not None and process.operation == OperationKind.CHECKPOINT

        world.until(leaves)
        linked = len(world.service.hellos)
        os.kill(world.agent.child_pid(), signal.SIGKILL)
        administration.clear_faults()
        with pytest.raises(Exception, match="JSONDecodeError"):
            bob.tenant.end()
        world.until(lambda: len(world.service.hellos) > linked)
        bob.reconnect()
        assert job.digest() == its
        assert bob.enter_and_digest() == his
        assert administration.inspect().lost == ()
