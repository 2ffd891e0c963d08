"""A real agent brings slices back for evidence of work and for an owner's wish, not for claims."""

import time
from datetime import timedelta

from tests.support.agent_world import agent_world


def test_a_suspended_process_that_uses_the_cpu_is_woken(tmp_path):
    # On a busy machine it does not get much of one.
    options = ("--SubletAgent.tick_s=0.03", "--SubletAgent.wake_cpu_share=0.05")
    with agent_world(tmp_path, *options) as world:
        # Longer than the second over which the use of the CPU is measured.
        world.serve(world.notebook("a", 60), world.job("j", 70), idle_after_s=2.5)
        ada = world.kernel("a")
        hers = ada.enter_and_fill(50, 1)
        world.until(lambda: world.truth(ada.pid) == "checkpointed")
        enough = str(tmp_path / "enough")
        busy = f"sum(range(10**5)) for _ in iter(lambda: os.path.exists({enough!r}), True)"
        ada.tenant.begin(f"[{busy}] and None")
        world.until(lambda: world.events("active", "a"), 60)
        (tmp_path / "enough").touch()
        ada.tenant.end()
        # In a cell: the job may have her room again by now.
        assert ada.enter_and_digest() == hers


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
    world.serve(a)
    ada = world.kernel("a")
    ada.enter_and_fill(50, 1)
    world.serve_too(j)
    world.until(lambda: world.truth(ada.pid) == "checkpointed")
    world.service.assign(a.model_copy(update={"wanted_since": a.created_at}), j)
    world.until(lambda: world.truth(ada.pid) == "running")


def test_a_kept_slice_is_not_lent(world):
    kept = world.notebook("a", 60)
    kept = kept.model_copy(update={"kept_until": kept.created_at.replace(year=2100)})
    world.serve(kept, world.job("j", 70))
    ada = world.kernel("a")
    ada.enter_and_fill(50, 1)
    world.until_idle("a")
    assert world.truth(ada.pid) == "running"
    assert not world.report("j").gate_open


def test_a_tenant_that_only_claims_to_work_is_lent_from_and_moved_seldom(tmp_path):
    """THREATS 3: always busy and waking all the time, without ever using the GPU."""
    with agent_world(
        tmp_path, "--SubletAgent.tick_s=0.03", "--SubletAgent.unused_budget_s=1.5"
    ) as world:
        world.serve(world.notebook("a", 60), lend_at_least_s=2)
        spammer = world.kernel("a")
        spammer.enter_and_fill(50, 1)
        world.serve_too(world.job("j", 70))
        began = time.monotonic()
        spammer.tenant.begin(
            "[enter() for _ in iter(lambda: time.sleep(0.02) or time.time() < %f, False)] and None"
            % (time.time() + 9)
        )
        world.until(lambda: world.report("j").gate_open)
        spammer.tenant.end()
        # Told a moment after the job was let in, which may be at the very end.
        world.until(lambda: world.events("suspended", "a"))
        moves = len(world.events("suspended", "a"))
        assert 1 <= moves <= (time.monotonic() - began) / 2 + 1


def test_a_silent_tenant_loses_nothing_its_use_of_the_gpu_keeps_it(world):
    notebook = world.notebook("a", 60)
    world.serve(notebook)
    silent = world.kernel("a")
    silent.fill(50, 1)
    silent.tenant.begin("gpu.compute(600)")

    def is_seen_to_compute() -> bool:
        # Of the slice itself: in the sample in which it begins, the card may be in use already
        # while its processes, who were asked a moment before, are not.
        told = world.report("a")
        return bool(told.active and told.gpu_busy_ms)

    # Before the job comes: a slice of which no use was measured yet would be idle, and lent.
    world.until(is_seen_to_compute)
    world.serve(notebook, world.job("j", 70))
    seen = world.status.sequence
    deadline = time.monotonic() + 1.5

    def has_looked_for_a_while() -> bool:
        assert world.truth(silent.pid) == "running"
        # An agent that got no processor in all that time has suspended nobody, either.
        return time.monotonic() >= deadline and world.status.sequence > seen

    world.until(has_looked_for_a_while)
