"""A real agent beside the simulated GPUs: lending, giving back, and what owners see."""

from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.waiting import WaitReason

from tests.support.agent_world import agent_world, digest_and_compute_until


def test_two_owners_that_do_not_fit_together_both_work_and_keep_every_byte(world):
    # Who is idle does not come home by themselves, and nobody has work yet but who fills: a cell
    # that holds nothing yet keeps its room however late it takes it.
    pool = {"turn_s": 0.2, "lend_at_least_s": 600.0}
    world.serve(world.notebook("a", 50), world.notebook("b", 50), **pool)
    ada, ben = world.kernel("a"), world.kernel("b")
    hers = ada.enter_and_fill(45, 1)
    world.until_idle("a", "b")
    his = ben.enter_and_fill(45, 2)
    for _ in range(3):
        assert ada.enter_and_digest() == hers
        assert ben.enter_and_digest() == his


def test_a_cell_that_cannot_be_stopped_at_the_end_of_its_turn_keeps_its_cap(world):
    world.serve(world.notebook("a", 50), world.notebook("b", 50), turn_s=0.2)
    ada, ben = world.kernel("a"), world.kernel("b")
    world.until_idle("a", "b")
    ada.enter()
    ada.run("level(busy=True)")
    ada.fill(15, 1)
    # Of whom nothing is seen yet nobody asks to leave.
    world.until(lambda: world.report("a").memory_mib > 15 * world.gib)
    already = len(world.service.events)
    for nth in (1, 2):
        world.gpus.administration.fail(OperationKind.LOCK, CudaCode.ILLEGAL_STATE, nth=nth)
    ben.tenant.begin("enter()")
    world.until(lambda: world.events("refused-move", "a"))
    # Its cell goes on, and still has all that it was promised.
    ada.run("more = gpu.allocate(gib=30)")
    ben.tenant.end()
    handover = [("refused-move", "a"), ("suspended", "a"), ("gate-opened", "b")]

    def told() -> list[tuple[str, str]]:
        return [(e.kind, e.slice_id) for e in world.service.events[already:]]

    world.until(lambda: handover[-1] in told())
    in_order = dict.fromkeys(each for each in told() if each in handover)
    assert list(in_order) == handover


def test_how_far_a_move_has_come_and_for_how_long_is_told_while_it_lasts(tmp_path):
    # So slowly that much may happen meanwhile; and she comes home for her cell, not by herself.
    with agent_world(tmp_path, speed=2) as world:
        world.serve(world.notebook("a", 70), world.notebook("b", 60), lend_at_least_s=600.0)
        ada, ben = world.kernel("a"), world.kernel("b")
        # Who is new counts as active: his turn would come while she fills, and she leave for it.
        world.until_idle("a", "b")
        ada.enter_and_fill(66, 1)
        world.until_idle("a")

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
    world.serve(world.notebook("a-7f", 50, owner="ada"), world.notebook("b-9c", 50, owner="ben"))
    ada, ben = world.kernel("a-7f"), world.kernel("b-9c")
    world.until_idle("a-7f", "b-9c")
    ada.enter_and_fill(40, 1)
    world.until(lambda: world.report("a-7f").memory_mib > 40 * world.gib)
    # A gate that opens at once needs no explanation.
    world.gpus.administration.delay(OperationKind.CHECKPOINT, 1.0, pid=ada.pid)
    _, waits = ben.enter()
    assert waits
    for wait in waits:
        assert wait["message"].endswith(".")
        assert not [name for name in ("ada", "a-7f") if name in wait["message"]]
    assert waits[0]["reason"] in {"turn", "making-room"}


def test_a_cell_is_let_in_however_late_its_slice_is_judged(world):
    world.serve(world.notebook("a", 20), idle_after_s=1e-6)
    ada = world.kernel("a")
    ada.tenant.begin("enter()")
    world.until(lambda: world.events("gate-opened", "a"))
    assert ada.tenant.end().startswith("['open'")


def test_idle_slices_are_lent_to_a_job_and_given_back_when_their_owner_runs_a_cell(world):
    world.serve(world.notebook("a", 60))
    ada = world.kernel("a")
    hers = ada.enter_and_fill(55, 1)
    world.serve_too(world.job("j", 70))
    world.until(lambda: world.report("j").gate_open)
    assert world.truth(ada.pid) == "checkpointed"
    assert world.report("a").lent_to == ("j",)
    job = world.kernel("j")
    its = job.fill(65, 2)
    assert ada.enter_and_digest() == hers
    # Told, and not seen: once she is idle the job comes back.
    world.until(lambda: world.events("suspended", "j"))
    world.until(lambda: world.report("j").gate_open)
    assert job.digest() == its


def test_a_job_whose_memory_is_not_in_the_way_is_paused_and_not_moved(world):
    world.serve(world.notebook("a", 20))
    ada = world.kernel("a")
    ada.enter_and_fill(10, 1)
    world.serve_too(world.job("j", 40))
    world.until(lambda: world.report("j").gate_open)
    job = world.kernel("j")
    job.fill(30, 2)
    job.tenant.begin("gpu.compute(600)")
    world.until(lambda: world.report("j").memory_mib > 30 * world.gib)
    world.set_pool(idle_after_s=60)
    ada.enter()
    assert world.truth(job.pid) == "locked"
    world.set_pool(idle_after_s=0.5)
    world.until_idle("a")
    world.until(lambda: world.truth(job.pid) == "running")


def test_a_job_that_is_held_back_is_suspended_and_comes_back_with_every_byte(world):
    world.serve(world.job("j", 40))
    world.until(lambda: world.report("j").gate_open)
    job = world.kernel("j")
    its = job.fill(30, 2)
    world.until(lambda: world.report("j").memory_mib > 30 * world.gib)
    world.serve(world.job("j", 40, held_back=True))
    world.until(lambda: world.truth(job.pid) == "checkpointed")
    world.until(lambda: world.report("j").state is SliceState.SUSPENDED)
    assert world.report("j").wait.reason is WaitReason.HELD_BACK
    # Others have the room meanwhile.
    world.until(lambda: world.status.gpus[0].lendable_mib > 70 * world.gib)
    world.serve(world.job("j", 40))
    world.until(lambda: world.report("j").gate_open)
    assert job.digest() == its


def test_a_new_process_of_a_paused_job_is_paused_as_soon_as_it_is_seen(world):
    world.serve(world.notebook("a", 20), world.job("j", 40), idle_after_s=30)
    ada = world.kernel("a")
    ada.enter()
    rank0 = world.kernel("j")
    # Not waited for: it may be paused in the middle of it.
    rank0.tenant.begin("b = gpu.allocate(gib=5)")
    world.until(lambda: world.truth(rank0.pid) == "locked")
    rank1 = world.kernel("j")
    rank1.tenant.begin("b = gpu.allocate(gib=5)")
    world.until(lambda: world.truth(rank1.pid) == "locked")


def test_a_slice_of_two_kernels_moves_whole(world, tmp_path):
    world.serve(world.notebook("a", 40))
    one, two = world.kernel("a"), world.kernel("a")
    first = one.enter_and_fill(10, 1)
    second = two.enter_and_fill(20, 2)
    world.serve_too(world.job("j", 75))
    world.until(lambda: world.truth(one.pid) == world.truth(two.pid) == "checkpointed")
    world.until(lambda: world.report("a").host_mib > 30 * world.gib)
    # The slice stays until the other has looked, too: the job would have it again.
    looked = tmp_path / "looked"
    two.begin_cell(digest_and_compute_until(looked))
    assert one.digest() == first
    looked.touch()
    assert two.end_cell() == second


def test_without_lending_nobody_is_suspended_and_lent_slices_come_home(world):
    world.serve(world.notebook("a", 60))
    ada = world.kernel("a")
    ada.enter_and_fill(50, 1)
    world.serve_too(world.job("j", 70))
    world.until(lambda: world.report("j").gate_open)
    world.service.lending = False
    world.service.push()
    world.until(lambda: world.truth(ada.pid) == "running")
    world.until(lambda: not world.report("j").gate_open)
    assert world.status.gpus[0].lendable_mib == 0


def test_more_than_the_cap_is_seen_and_said(world):
    world.serve(world.notebook("a", 10))
    ada = world.kernel("a")
    ada.enter_and_fill(12, 1)
    world.until(lambda: world.report("a").over_cap)
    world.until(lambda: world.events("over-cap", "a"))


def test_what_a_released_slice_left_suspended_comes_back(world):
    a, j = world.notebook("a", 60), world.job("j", 70)
    world.serve(a)
    ada = world.kernel("a")
    hers = ada.enter_and_fill(50, 1)
    world.serve_too(j)
    world.until(lambda: world.truth(ada.pid) == "checkpointed")
    world.service.assign(j)
    world.until(lambda: world.truth(ada.pid) == "running")
    assert ada.digest() == hers


def test_what_a_released_job_left_paused_runs_on(world):
    a, j = world.notebook("a", 20), world.job("j", 40)
    world.serve(a, j, idle_after_s=30)
    job = world.kernel("j")
    # Not waited for: it may be paused in the middle of it.
    job.tenant.begin("b = gpu.allocate(gib=5)")
    world.until(lambda: world.truth(job.pid) == "locked")
    world.service.assign(a)
    world.until(lambda: world.truth(job.pid) == "running")
