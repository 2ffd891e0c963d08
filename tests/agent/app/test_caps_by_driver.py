"""A real agent has the simulated driver, of a version that can, keep slices to their caps."""

import pytest
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.simulated.machine.card import CardSetup
from sublet_quota.reasons.cap_keepers import DRIVER_IF_ABLE, DriverLimit

from tests.support.agent_world import AgentWorld, Kernel, agent_world
from tests.support.control_groups import needs_freezer
from tests.support.tenants import TenantError

ASKED = ("watch", DRIVER_IF_ABLE)


@pytest.fixture
def world(tmp_path):
    needs_freezer(tmp_path, 2)
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.03") as made:
        yield made


def limited(world: AgentWorld, gib: int, *, slice_id: str = "a", kernel: Kernel, **more: object):
    """A notebook's slice, or a job's, whose first process is this kernel."""
    table = LinuxProcessTable()
    identity = table.identify(kernel.pid)
    assert identity is not None
    serve = world.job if more.pop("job", False) else world.notebook
    fields = {"cap_kept_by": ASKED, **more}
    return serve(
        slice_id, gib, root_pid=kernel.pid, root_start_time=table.started_at(identity), **fields
    )


def under(world: AgentWorld, driver: str) -> None:
    world.gpus.administration.set_up(world.gpu_id, CardSetup(), driver=driver)


def told(world: AgentWorld, limit: DriverLimit | None, slice_id: str = "a") -> None:
    world.until(lambda: world.report(slice_id).driver_limit is limit)


def is_refused(kernel: Kernel, gib: float) -> bool:
    try:
        kernel.run(f"(more := gpu.allocate(gib={gib})).free()")
    except TenantError as error:
        if "the driver lets" not in str(error):
            raise
        return True
    return False


def test_the_driver_refuses_a_slice_what_is_beyond_its_cap_and_nobody_else(world):
    under(world, "615.71")
    ada, ben = world.kernel("a"), world.kernel("b")
    world.serve(
        limited(world, 10, kernel=ada),
        limited(world, 10, slice_id="b", kernel=ben),
        idle_after_s=600.0,
    )
    told(world, DriverLimit.KEPT)
    told(world, DriverLimit.KEPT, "b")
    ada.enter_and_fill(6, 1)
    assert is_refused(ada, 4)
    assert not is_refused(ada, 2)
    assert not is_refused(ben, 9)


def test_a_jobs_programs_are_refused_what_is_beyond_its_cap(world):
    under(world, "615.71")
    job = world.kernel("j")
    world.serve(limited(world, 10, slice_id="j", kernel=job, job=True), idle_after_s=600.0)
    told(world, DriverLimit.KEPT, "j")
    job.fill(6, 1)
    assert is_refused(job, 4)
    assert not is_refused(job, 2)


def test_a_server_whose_first_process_is_told_later_is_limited_from_then_on(world):
    under(world, "615.71")
    ada = world.kernel("a")
    world.serve(world.notebook("a", 10, cap_kept_by=ASKED), idle_after_s=600.0)
    told(world, DriverLimit.NO_GROUP)
    world.serve(limited(world, 10, kernel=ada), idle_after_s=600.0)
    world.until(lambda: world.report("a").driver_limit is DriverLimit.KEPT, within_s=15)
    assert is_refused(ada, 12)


def test_the_limit_follows_the_cap_and_goes_with_the_slice(world):
    under(world, "615.71")
    ada = world.kernel("a")
    world.serve(limited(world, 10, kernel=ada), idle_after_s=600.0)
    told(world, DriverLimit.KEPT)
    assert is_refused(ada, 12)
    world.serve(limited(world, 20, kernel=ada), idle_after_s=600.0)
    world.until(lambda: not is_refused(ada, 12))
    assert is_refused(ada, 22)
    world.serve(idle_after_s=600.0)
    world.until(lambda: not is_refused(ada, 22))


def test_what_was_limited_comes_back_whole_and_is_limited_again(world):
    under(world, "615.71")
    ada = world.kernel("a")
    world.serve(limited(world, 50, kernel=ada), idle_after_s=0.3)
    told(world, DriverLimit.KEPT)
    digest = ada.enter_and_fill(45, 1)
    world.serve_too(world.job("j", 60))
    # The limit is lifted, and told as such, before the process is paused and then moved.
    world.until(lambda: world.truth(ada.pid) == "checkpointed")
    told(world, DriverLimit.MOVING)
    assert ada.enter_and_digest() == digest
    told(world, DriverLimit.KEPT)
    assert is_refused(ada, 6)


def test_an_agent_that_begins_again_sets_the_limits_anew(world):
    under(world, "615.71")
    ada = world.kernel("a")
    slices = limited(world, 10, kernel=ada)
    world.serve(slices, idle_after_s=600.0)
    told(world, DriverLimit.KEPT)
    world.agent.kill()
    assert is_refused(ada, 12)
    world.service.status = None
    world.agent.start()
    world.agent.wait_until_serving()
    told(world, DriverLimit.KEPT)
    assert is_refused(ada, 12)


def test_a_driver_that_has_no_limits_is_told_and_nothing_is_refused(world):
    ada = world.kernel("a")
    world.serve(limited(world, 10, kernel=ada), idle_after_s=600.0)
    told(world, DriverLimit.OLD_DRIVER)
    assert not is_refused(ada, 12)


def test_a_slice_for_which_nobody_asked_has_no_limit(world):
    under(world, "615.71")
    ada = world.kernel("a")
    world.serve(limited(world, 10, kernel=ada, cap_kept_by=()), idle_after_s=600.0)
    ada.enter()
    assert not is_refused(ada, 12)
    assert world.report("a").driver_limit is None


def test_where_mps_runs_no_limit_is_set(world):
    world.gpus.administration.set_up(world.gpu_id, CardSetup(mps=True), driver="615.71")
    ada = world.kernel("a")
    world.serve(limited(world, 10, kernel=ada), idle_after_s=600.0)
    told(world, DriverLimit.MPS)
    assert not is_refused(ada, 12)
