"""A real agent and room that is reserved: who was called back is away before the hour, alive."""

from datetime import UTC, datetime, timedelta

from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.event_kinds import EventKind

from tests.support.agent_world import agent_world

NOBODY_FALLS_IDLE = {"idle_after_s": 600.0, "turn_s": 600.0}
HOUR = timedelta(hours=1)


def changed(assigned, **values):
    return assigned.model_copy(update=values)


def test_called_back_slices_are_away_when_the_reservation_begins_and_nobody_else_is(tmp_path):
    with agent_world(tmp_path) as world:
        b = world.notebook("b", 20, owner="bob")
        c = world.notebook("c", 30, owner="cleo")
        world.serve(b, c, **NOBODY_FALLS_IDLE)
        bob, cleo = world.kernel("b"), world.kernel("c")
        bob.enter_and_fill(18, 1)
        hers = cleo.enter_and_fill(28, 2)
        given_up = {"given_up_at": datetime.now(UTC)}
        b = changed(b, **given_up)
        c = changed(c, rank=Rank.CALLED_BACK, **given_up)
        world.service.assign(b, c)
        world.until_idle("b", "c")
        # Nobody needs the room, and nothing is reserved yet.
        assert world.events(EventKind.SUSPENDED) == []
        world.set_pool(reserved_mib=50 * world.gib, reserved_until=datetime.now(UTC) + HOUR)
        world.until(lambda: world.truth(cleo.pid) == "checkpointed")
        world.until(lambda: world.events(EventKind.SUSPENDED, "c"))
        (moved,) = world.events(EventKind.SUSPENDED)
        assert (moved.slice_id, moved.for_slice_id) == ("c", None)
        # At the hour: who comes has the room without a wait, and nothing more is moved for it.
        e = world.notebook("e", 50, owner="eve", rank=Rank.ENTITLED, in_reserve=True)
        world.service.assign(b, c, e)
        world.until(lambda: world.service.report("e") is not None)
        eve = world.kernel("e")
        _, waits = eve.enter()
        assert waits == []
        eve.fill(48, 3)
        assert len(world.events(EventKind.SUSPENDED)) == 1
        assert world.truth(bob.pid) != "checkpointed"
        # Her cell waits for as long as the room is reserved, and is told why.
        cleo.begin_cell("held.sha256()")
        world.until(lambda: world.report("c").wait is not None)
        assert world.report("c").wait.reason is WaitReason.CALLED_BACK
        eve.ends_cell()
        world.set_pool(reserved_mib=0, reserved_until=None)
        world.service.assign(b, changed(c, rank=Rank.BORROWED), changed(e, **given_up))
        assert cleo.end_cell() == hers


def test_a_job_on_lent_room_leaves_ahead_of_the_reservation(tmp_path):
    with agent_world(tmp_path) as world:
        j = world.job("j", 60)
        world.serve(j, **NOBODY_FALLS_IDLE)
        job = world.kernel("j")
        its = job.enter_and_fill(50, 1)
        world.set_pool(reserved_mib=50 * world.gib, reserved_until=datetime.now(UTC) + HOUR)
        world.until(lambda: world.truth(job.pid) == "checkpointed")
        world.until(lambda: world.report("j").wait is not None)
        assert world.report("j").wait.reason is WaitReason.RESERVED
        # Who comes at the hour has the room without a wait; the job goes on when it is over.
        e = world.notebook("e", 50, owner="eve", rank=Rank.ENTITLED, in_reserve=True)
        world.service.assign(j, e)
        world.until(lambda: world.service.report("e") is not None)
        eve = world.kernel("e")
        _, waits = eve.enter()
        assert waits == []
        eve.ends_cell()
        world.set_pool(reserved_mib=0, reserved_until=None)
        world.service.assign(j, changed(e, given_up_at=datetime.now(UTC)))
        assert job.enter_and_digest() == its


def test_a_called_back_slice_runs_beside_what_is_reserved(tmp_path):
    with agent_world(tmp_path) as world:
        c = world.notebook("c", 20, owner="cleo", rank=Rank.CALLED_BACK)
        world.serve(c, **NOBODY_FALLS_IDLE)
        world.set_pool(reserved_mib=50 * world.gib, reserved_until=datetime.now(UTC) + HOUR)
        cleo = world.kernel("c")
        hers = cleo.enter_and_fill(18, 1)
        assert cleo.enter_and_digest() == hers
        assert world.events(EventKind.SUSPENDED) == []


def test_what_was_reserved_until_a_moment_is_so_no_longer_though_the_hub_is_silent(tmp_path):
    with agent_world(tmp_path) as world:
        c = world.notebook("c", 60, owner="cleo", rank=Rank.CALLED_BACK)
        world.serve(c, **NOBODY_FALLS_IDLE)
        world.set_pool(reserved_mib=50 * world.gib, reserved_until=datetime.now(UTC) - HOUR)
        cleo = world.kernel("c")
        hers = cleo.enter_and_fill(50, 1)
        assert cleo.digest() == hers
        assert world.events(EventKind.SUSPENDED) == []
