"""How its owner is told that a slice stands, by what the agent knows of it."""

from datetime import timedelta

import pytest
from sublet_agent.devices.interface import Gpu, GpuMemory
from sublet_agent.moves.plan import UndoSwitch
from sublet_agent.residency.activity import ActivityRecord, ActivitySettings
from sublet_agent.residency.served_gpu import RunningMove, ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.tenants.share import TenantView, share_of
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.cap_keepers import DRIVER_IF_ABLE, DriverLimit
from sublet_quota.reasons.caps import CapUse
from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.reasons.standings import Standing
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.snapshot import TransitionKind
from sublet_quota.wire.kept import tell_share_kept
from sublet_quota.wire.slice_warnings import cap_warning, tell_warnings
from sublet_quota.wire.standing import tell_standing
from sublet_quota.wire.tenant_socket import GateWaits

from tests.support.agent_cases import START
from tests.support.fake_device import GPU, FakeTable
from tests.support.fake_service_link import slice_assignment

IDLE_AFTER = timedelta(minutes=5)


class Told:
    """One owner's slice with one process, and what is told of it."""

    def __init__(self):
        gpu = Gpu(GPU, 0, "Fake GPU", 80_000, simulated=True)
        self.gpu = ServedGpu(gpu, GpuMemory(80_000, 0, 80_000))
        self.slices = [self.served("a", "notebook")]
        now = START + 2 * IDLE_AFTER
        self.slices[0].judge(IDLE_AFTER, IDLE_AFTER, now, now)
        self.process = self.slices[0].processes.track(FakeTable().add(10))

    def served(self, slice_id, holder):
        activity_record = ActivityRecord(START, ActivitySettings())
        served = ServedSlice(SliceId(slice_id), GPU, activity_record, START)
        served.assign(slice_assignment(slice_id, GPU, 1000, holder=holder), START)
        return served

    def share(self, wait=None, **more):
        view = TenantView(START, wait, {}, **more)
        return share_of(self.slices[0], self.gpu, self.slices, view)


@pytest.fixture
def told():
    return Told()


def test_a_slice_at_rest_is_idle_and_no_return_is_expected(told):
    share = told.share()
    assert share.standing == tell_standing(Standing.IDLE)
    assert share.standing_with_next_cell is None


def test_a_slice_whose_cell_waits_stands_by_why_it_does(told):
    wait = GateWaits(reason=WaitReason.TURN, message="You are number 2 in line.")
    assert told.share(wait).standing.code == Standing.WAITING
    wait = GateWaits(reason=WaitReason.MAKING_ROOM, message="Room is made.")
    assert told.share(wait).standing.code == Standing.COMING_BACK


def test_a_slice_that_was_moved_out_comes_back_with_its_next_cell(told):
    told.process.goes_away(100)
    share = told.share()
    assert share.standing.code == Standing.MOVED_OUT
    assert share.standing_with_next_cell == tell_standing(Standing.COMING_BACK)


@pytest.mark.parametrize(
    ("kind", "standing"),
    [
        (TransitionKind.SUSPENDING, Standing.LEAVING),
        (TransitionKind.RESUMING, Standing.COMING_BACK),
    ],
)
def test_a_slice_whose_own_memory_moves_stands_by_the_way_it_goes(told, kind, standing):
    move = RunningMove(
        slice_id=SliceId("a"),
        kind=kind,
        undo=UndoSwitch(),
        began=START,
        bytes_mib=100,
        expected_s=1.0,
    )
    told.gpu.begin_move(move)
    assert told.share().standing.code == standing


def test_a_slice_that_a_job_uses_is_lent(told):
    job = told.served("j", "job")
    told.slices.append(job)
    job.open_gate(START)
    assert told.share().standing.code == Standing.LENT


def test_a_slice_that_is_as_it_should_be_has_no_warning(told):
    assert told.share().warnings == ()


def test_a_slice_over_its_cap_is_warned_with_both_amounts(told):
    told.process.note_measured(1500)
    told.slices[0].check_cap(START)
    assert told.share().warnings == tell_warnings(cap_warning(CapUse(1500, 1000)), None, None)


def test_a_slice_that_cannot_be_suspended_is_told_why_and_what_to_do(told):
    told.process.mark_unsuspendable(Unsuspendable(Obstacle.NOT_SUPPORTED, "managed memory"))
    warnings = told.share().warnings
    assert warnings == tell_warnings(None, "managed memory", Obstacle.NOT_SUPPORTED)


def test_how_it_stands_with_the_compute_share_is_told_in_words(told):
    assert told.share(compute_kept=ShareKept.MOVING).compute_kept == tell_share_kept(
        ShareKept.MOVING
    )
    capped = told.share(compute_kept=ShareKept.CAPPED, compute_most_milli=500).compute_kept
    assert capped == tell_share_kept(ShareKept.CAPPED, 500)
    less = told.share(compute_kept=ShareKept.FOREIGN, compute_foreign_percent=50).compute_kept
    assert less == tell_share_kept(ShareKept.FOREIGN, None, 50)
    assert told.share().compute_kept is None


@pytest.mark.parametrize(
    ("told_by_service", "by"),
    [((), ("simulated", "watch")), (("hami",), ("simulated", "watch")), (None, None)],
)
def test_what_keeps_the_cap_is_told_by_engine_or_card(told, told_by_service, by):
    assignment = slice_assignment("a", GPU, 1000, cap_kept_by=told_by_service)
    told.slices[0].assign(assignment, START)
    kept = told.share().cap_kept
    assert (None if kept is None else kept.by) == by


def test_that_the_driver_keeps_the_cap_is_told_as_the_agent_knows_it(told):
    assignment = slice_assignment("a", GPU, 1000, cap_kept_by=("watch", DRIVER_IF_ABLE))
    told.slices[0].assign(assignment, START)
    assert told.share(driver_limit=DriverLimit.KEPT).cap_kept.by == ("driver", "watch")
    without = told.share(driver_limit=DriverLimit.OLD_DRIVER).cap_kept
    assert without.by == ("simulated", "watch")
    assert without.meaning.endswith(
        "not the driver, because it has no such limit (NVIDIA's has from 615 on)"
    )
