"""A real agent beside the simulated GPUs: lending, giving back, and what owners see."""

import time
from datetime import timedelta

import pytest
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode
from sublet_quota.reasons.obstacles import Obstacle

from tests.support.agent_world import agent_world


@pytest.fixture
def world(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.03") as made:
        yield made


def idle(world, *slice_ids):
    world.until(lambda: all(not world.report(s).active for s in slice_ids))


def test_two_owners_that_do_not_fit_together_both_work_and_keep_every_byte(world):
    world.serve(world.notebook("a", 50), world.notebook("b", 50), turn_s=0.2)
    ada, ben = world.kernel("a"), world.kernel("b")
    ada.enter()
    hers = ada.fill(45, 1)
    ben.enter()
    his = ben.fill(45, 2)
    for _ in range(3):
        ada.enter()
        assert ada.digest() == hers
        ben.enter()
        assert ben.digest() == his


def test_a_cell_that_cannot_be_stopped_at_the_end_of_its_turn_keeps_its_cap(world):
    world.serve(world.notebook("a", 50), world.notebook("b", 50), turn_s=0.2)
    ada, ben = world.kernel("a"), world.kernel("b")
    idle(world, "a", "b")
    ada.enter()
    ada.fill(15, 1)
    already = len(world.service.events)
    for nth in (1, 2):
        world.gpus.administration.fail(OperationKind.LOCK, CudaCode.ILLEGAL_STATE, nth=nth)
    ben.tenant.begin("enter()")
    world.until(lambda: world.events("refused-move", "a"))
    handover = [("suspended", "a"), ("gate-opened", "b")]
    told = lambda: [(e.kind, e.slice_id) for e in world.service.events[already:]]  # noqa: E731
    assert handover[1] not in told()
    # Its cell goes on, and still has all that it was promised.
    ada.run("more = gpu.allocate(gib=30)")
    ben.tenant.end()
    world.until(lambda: handover[1] in told())
    assert [each for each in told() if each in handover][:2] == handover


def test_how_far_a_move_has_come_and_for_how_long_is_told_while_it_lasts(tmp_path):
    with agent_world(tmp_path, speed=4) as world:
        world.serve(world.notebook("a", 70), world.notebook("b", 60))
        ada, ben = world.kernel("a"), world.kernel("b")
        ada.enter()
        ada.fill(66, 1)
        idle(world, "a")

        def told(kind, beyond_mib):
            move = None

            def is_told():
                nonlocal move
                move = world.report("a").move
                return move is not None and move.kind == kind and (move.moved_mib or 0) > beyond_mib

            world.until(is_told)
            return move

        ben.tenant.begin("enter()")
        first = told("suspending", 1024)
        later = told("suspending", first.moved_mib)
        assert first.elapsed_s < later.elapsed_s < 60
        assert later.moved_mib <= later.bytes_mib
        ben.kill()
        ada.tenant.begin("enter()")
        back = told("resuming", 0)
        assert back.moved_mib <= back.bytes_mib
        ada.tenant.end()


def test_a_waiting_cell_is_told_why_in_one_sentence_without_anybodys_name(world):
    world.serve(
        world.notebook("a", 50, owner="ada"), world.notebook("b", 50, owner="ben"), turn_s=0.6
    )
    ada, ben = world.kernel("a"), world.kernel("b")
    ada.enter()
    ada.fill(40, 1)
    _, waits = ben.enter()
    assert waits
    for wait in waits:
        assert wait["message"].endswith(".")
        assert "ada" not in wait["message"]
        assert "slice" not in wait["message"]
    assert waits[0]["reason"] in {"turn", "making-room"}


def test_a_cell_is_let_in_however_late_its_slice_is_judged(world):
    world.serve(world.notebook("a", 20), idle_after_s=1e-6)
    ada = world.kernel("a")
    ada.tenant.begin("enter()")
    world.until(lambda: world.events("gate-opened", "a"))
    assert ada.tenant.end().startswith("['open'")


def test_idle_slices_are_lent_to_a_job_and_given_back_when_their_owner_runs_a_cell(world):
    world.serve(world.notebook("a", 60), world.job("j", 70))
    ada = world.kernel("a")
    ada.enter()
    hers = ada.fill(55, 1)
    world.until(lambda: world.report("j").gate_open)
    assert world.truth(ada.pid) == "checkpointed"
    assert world.report("a").lent_to == ("j",)
    job = world.kernel("j")
    its = job.fill(65, 2)
    ada.enter()
    assert ada.digest() == hers
    assert world.truth(job.pid) == "checkpointed"
    world.until(lambda: world.report("j").gate_open)
    assert job.digest() == its


def test_a_job_whose_memory_is_not_in_the_way_is_paused_and_not_moved(world):
    world.serve(world.notebook("a", 20), world.job("j", 40))
    ada = world.kernel("a")
    ada.enter()
    ada.fill(10, 1)
    world.until(lambda: world.report("j").gate_open)
    job = world.kernel("j")
    job.fill(30, 2)
    job.tenant.begin("gpu.compute(600)")
    world.until(lambda: world.report("j").memory_mib > 30 * 1024)
    ada.enter()
    assert world.truth(job.pid) == "locked"
    idle(world, "a")
    world.until(lambda: world.truth(job.pid) == "running")


def test_a_new_process_of_a_paused_job_is_paused_as_soon_as_it_is_seen(world):
    world.serve(world.notebook("a", 20), world.job("j", 40), idle_after_s=30)
    ada = world.kernel("a")
    ada.enter()
    rank0 = world.kernel("j")
    rank0.fill(5, 1)
    world.until(lambda: world.truth(rank0.pid) == "locked")
    rank1 = world.kernel("j")
    rank1.tenant.begin("b = gpu.allocate(gib=5)")
    world.until(lambda: world.truth(rank1.pid) == "locked")


def test_a_slice_of_two_kernels_moves_whole(world):
    world.serve(world.notebook("a", 40), world.job("j", 75))
    one, two = world.kernel("a"), world.kernel("a")
    one.enter()
    first = one.fill(10, 1)
    two.enter()
    second = two.fill(20, 2)
    world.until(lambda: world.truth(one.pid) == world.truth(two.pid) == "checkpointed")
    world.until(lambda: world.report("a").host_mib > 30 * 1024)
    two.enter()
    assert [one.digest(), two.digest()] == [first, second]


def test_managed_memory_makes_a_slice_unsuspendable_and_says_so(world):
    world.serve(world.notebook("a", 40), world.job("j", 75))
    ada = world.kernel("a")
    ada.enter()
    ada.run("m = gpu.allocate_managed(gib=10)")
    world.until(lambda: world.report("a").unsuspendable is not None)
    assert world.report("a").obstacle is Obstacle.NOT_SUPPORTED
    assert "instead of managed memory" in world.report("a").advice
    assert world.truth(ada.pid) == "running"
    assert not world.report("j").gate_open
    assert world.status.gpus[0].lendable_mib <= 39 * 1024


def test_a_slice_whose_backend_cannot_suspend_stays_on_its_card_and_says_so(world):
    why = "suspending programs with HAMi's library in them has not been seen to work"
    world.serve(world.notebook("a", 40, never_suspended=why), world.job("j", 75))
    ada = world.kernel("a")
    ada.enter()
    ada.fill(30, 1)
    idle(world, "a")
    said = world.report("a")
    assert (said.unsuspendable, said.obstacle, said.advice) == (why, Obstacle.ENGINE, "")
    assert world.status.gpus[0].lendable_mib <= 39 * 1024
    assert not world.report("j").gate_open
    assert world.truth(ada.pid) == "running"


def test_ipc_is_seen_beforehand_and_never_suspended(world):
    world.serve(world.notebook("a", 40), world.job("j", 75))
    ada = world.kernel("a")
    ada.enter()
    hers = ada.fill(10, 1)
    ada.run("held.share()")
    world.until(lambda: world.report("a").obstacle is Obstacle.CUDA_IPC)
    idle(world, "a")
    assert ada.digest() == hers
    assert world.gpus.administration.inspect().lost == ()


def test_beside_a_process_of_no_slice_the_gpu_is_pause_only_and_says_so(world):
    a, j = world.notebook("a", 40), world.job("j", 75)
    world.serve(a)
    ada = world.kernel("a")
    stranger = world.gpus.tenant()
    ada.enter()
    ada.fill(30, 1)
    stranger.run("b = gpu.allocate(gib=1)")
    world.until(lambda: world.status.gpus[0].foreign is not None)
    foreign = world.status.gpus[0].foreign
    assert (foreign.count, foreign.pids) == (1, (stranger.pid,))
    assert foreign.held_mib >= 1024
    assert world.status.gpus[0].lendable_mib == 0
    # Only now, so that nothing could be lent before the stranger was seen.
    world.service.assign(a, j)
    world.until(lambda: world.report("j").wait is not None)
    idle(world, "a")
    assert world.truth(ada.pid) == "running"
    stranger.kill()
    world.until(lambda: world.truth(ada.pid) == "checkpointed")


def test_an_endless_kernel_beside_it_delays_a_return_and_loses_nobody(tmp_path):
    with agent_world(
        tmp_path, "--SubletAgent.tick_s=0.03", "--SubletAgent.pause_timeout_ms=100"
    ) as world:
        world.serve(
            world.notebook("a", 60), world.notebook("h", 10), world.job("j", 70), turn_s=0.2
        )
        ada = world.kernel("a")
        ada.enter()
        hers = ada.fill(50, 1)
        world.until(lambda: world.truth(ada.pid) == "checkpointed")
        hostile = world.kernel("h")
        hostile.enter()
        hostile.run("gpu.launch_endless_kernel()")
        ada.tenant.begin("enter()[0]")
        world.until(lambda: world.events("refused-move", "a"))
        assert world.truth(ada.pid) == "checkpointed"
        hostile.kill()
        assert ada.tenant.end() == "'open'"
        assert ada.digest() == hers


def test_a_suspended_process_that_uses_the_cpu_is_woken(tmp_path):
    # On a busy machine it does not get much of one.
    options = ("--SubletAgent.tick_s=0.03", "--SubletAgent.wake_cpu_share=0.05")
    with agent_world(tmp_path, *options) as world:
        # Longer than the second over which the use of the CPU is measured.
        world.serve(world.notebook("a", 60), world.job("j", 70), idle_after_s=2.5)
        ada = world.kernel("a")
        ada.enter()
        hers = ada.fill(50, 1)
        world.until(lambda: world.truth(ada.pid) == "checkpointed")
        enough = str(tmp_path / "enough")
        busy = f"sum(range(10**5)) for _ in iter(lambda: os.path.exists({enough!r}), True)"
        ada.tenant.begin(f"[{busy}] and None")
        world.until(lambda: world.events("active", "a"), 60)
        (tmp_path / "enough").touch()
        ada.tenant.end()
        assert ada.digest() == hers


def test_a_program_without_a_kernel_that_sleeps_in_a_gpu_call_is_not_left_there(tmp_path):
    """GPU_FACTS hazard 6: nothing shows that a program in a terminal waits for its GPU."""
    with agent_world(
        tmp_path, "--SubletAgent.tick_s=0.03", "--SubletAgent.busy_wakes_after_s=1"
    ) as world:
        world.serve(world.notebook("a", 60), world.job("j", 70))
        program = world.kernel("a")
        its = program.fill(50, 1)
        world.until(lambda: world.truth(program.pid) == "checkpointed")
        assert program.digest() == its
        # In vain it is looked in on more and more seldom.
        world.until(lambda: len(world.events("suspended", "a")) >= 3, 30)
        world.until(lambda: len(world.events("resumed", "a")) >= 3, 30)
        away, back = world.events("suspended", "a")[2], world.events("resumed", "a")[2]
        assert back.at - away.at > timedelta(seconds=2)


def test_the_owners_wish_wakes_a_suspended_slice(world):
    a, j = world.notebook("a", 60), world.job("j", 70)
    world.serve(a, j)
    ada = world.kernel("a")
    ada.enter()
    ada.fill(50, 1)
    world.until(lambda: world.truth(ada.pid) == "checkpointed")
    world.service.assign(a.model_copy(update={"wanted_since": a.created_at}), j)
    world.until(lambda: world.truth(ada.pid) == "running")


def test_without_lending_nobody_is_suspended_and_lent_slices_come_home(world):
    world.serve(world.notebook("a", 60), world.job("j", 70))
    ada = world.kernel("a")
    ada.enter()
    ada.fill(50, 1)
    world.until(lambda: world.report("j").gate_open)
    world.service.lending = False
    world.service.push()
    world.until(lambda: world.truth(ada.pid) == "running")
    world.until(lambda: not world.report("j").gate_open)
    assert world.status.gpus[0].lendable_mib == 0


def test_a_kept_slice_is_not_lent(world):
    kept = world.notebook("a", 60)
    kept = kept.model_copy(update={"kept_until": kept.created_at.replace(year=2100)})
    world.serve(kept, world.job("j", 70))
    ada = world.kernel("a")
    ada.enter()
    ada.fill(50, 1)
    idle(world, "a")
    assert world.truth(ada.pid) == "running"
    assert not world.report("j").gate_open


def test_more_than_the_cap_is_seen_and_said(world):
    world.serve(world.notebook("a", 10))
    ada = world.kernel("a")
    ada.enter()
    ada.fill(12, 1)
    world.until(lambda: world.report("a").over_cap)
    world.until(lambda: world.events("over-cap", "a"))


def test_a_failing_card_is_closed_to_jobs_and_says_why(world):
    world.serve(world.notebook("a", 60), world.job("j", 70), idle_after_s=3)
    world.gpus.administration.report_ecc(world.gpu_id)
    world.until(lambda: world.status.gpus[0].closed is not None)
    assert "ecc" in world.status.gpus[0].closed
    world.until(lambda: world.events("gpu-closed"))
    idle(world, "a")
    assert not world.report("j").gate_open


def test_a_job_that_cannot_be_moved_is_ended_when_an_owner_needs_its_room(tmp_path):
    with agent_world(
        tmp_path, "--SubletAgent.tick_s=0.03", "--SubletAgent.evict_grace_s=0.3"
    ) as world:
        world.serve(world.notebook("a", 60), world.job("j", 70))
        world.until(lambda: world.report("j").gate_open)
        job = world.kernel("j")
        job.run("m = gpu.allocate_managed(gib=60)")
        ada = world.kernel("a")
        took_s, _ = ada.enter()
        ada.fill(55, 1)
        assert world.truth(job.pid) is None
        world.until(lambda: world.events("evicted", "j"))
        assert took_s < 10


def test_what_a_released_slice_left_suspended_comes_back(world):
    a, j = world.notebook("a", 60), world.job("j", 70)
    world.serve(a, j)
    ada = world.kernel("a")
    ada.enter()
    hers = ada.fill(50, 1)
    world.until(lambda: world.truth(ada.pid) == "checkpointed")
    world.service.assign(j)
    world.until(lambda: world.truth(ada.pid) == "running")
    assert ada.digest() == hers


def test_what_a_released_job_left_paused_runs_on(world):
    a, j = world.notebook("a", 20), world.job("j", 40)
    world.serve(a, j, idle_after_s=30)
    job = world.kernel("j")
    job.fill(5, 1)
    world.until(lambda: world.truth(job.pid) == "locked")
    world.service.assign(a)
    world.until(lambda: world.truth(job.pid) == "running")


def test_a_tenant_that_only_claims_to_work_is_lent_from_and_moved_seldom(tmp_path):
    """THREATS 3: always busy and waking all the time, without ever using the GPU."""
    with agent_world(
        tmp_path, "--SubletAgent.tick_s=0.03", "--SubletAgent.unused_budget_s=1.5"
    ) as world:
        world.serve(world.notebook("a", 60), world.job("j", 70), lend_at_least_s=2)
        spammer = world.kernel("a")
        spammer.enter()
        spammer.fill(50, 1)
        began = time.monotonic()
        spammer.tenant.begin(
            "[enter() for _ in iter(lambda: time.sleep(0.02) or time.time() < %f, False)] and None"
            % (time.time() + 9)
        )
        world.until(lambda: world.report("j").gate_open)
        spammer.tenant.end()
        moves = len(world.events("suspended", "a"))
        assert 1 <= moves <= (time.monotonic() - began) / 2 + 1


def test_a_silent_tenant_loses_nothing_its_use_of_the_gpu_keeps_it(world):
    notebook = world.notebook("a", 60)
    world.serve(notebook)
    silent = world.kernel("a")
    silent.fill(50, 1)
    silent.tenant.begin("[gpu.compute(0.02) for _ in range(80)] and None")
    # Only now: a slice that computes nothing yet would be idle, and lent.
    world.serve(notebook, world.job("j", 70))
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        assert world.truth(silent.pid) == "running"
        time.sleep(0.02)
    silent.tenant.end()


def take_the_room_unseen(world):
    """An owner comes back while a neighbour has filled the card since the last sample."""
    world.serve(world.notebook("a", 60), world.notebook("b", 10), world.job("j", 70))
    ada, ben = world.kernel("a"), world.kernel("b")
    ben.enter()
    his = ben.fill(1, 2)
    ada.enter()
    hers = ada.fill(50, 1)
    world.until(lambda: world.truth(ada.pid) == "checkpointed")
    idle(world, "a", "b")
    # Right after a sample, so that the next one comes too late.
    seen = world.service.status.gpus[0].energy_mj
    world.until(lambda: world.service.status.gpus[0].energy_mj != seen)
    ben.run("late = gpu.allocate(gib=40)")
    ada.tenant.begin("enter()[0]")
    return ada, hers, ben, his


def test_room_taken_unseen_delays_an_owners_return_and_loses_nothing(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=1.5") as world:
        ada, hers, ben, his = take_the_room_unseen(world)
        assert ada.tenant.end() == "'open'"
        assert ada.digest() == hers
        ben.enter()
        assert ben.digest() == his
        assert any("needed with the margin" in e.detail for e in world.events("refused-move"))
        assert world.gpus.administration.inspect().lost == ()


def test_without_the_check_for_room_the_same_loses_the_notebook(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=1.5", "--unsafe-skip-room-check") as world:
        ada, *_ = take_the_room_unseen(world)
        world.until(lambda: world.gpus.administration.inspect().lost)
        assert [p.pid for p in world.gpus.administration.inspect().lost] == [ada.pid]
        world.until(lambda: world.events("lost", "a"))
        assert "restart its kernel" in world.report("a").unsuspendable
