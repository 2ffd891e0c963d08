"""The driver's own limits of slices' groups: when one is set, lifted, set again, and left alone."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sublet_agent.cgroups.groups_file import SliceGroup
from sublet_agent.cgroups.trees import FreezerTree
from sublet_agent.devices.interface import DeviceError, NoControllerError
from sublet_agent.devices.memory_limits import GroupLimit
from sublet_agent.moves.driver_limits import DriverLimits, WantedLimit
from sublet_agent.moves.plan import MoveEnd, UndoSwitch
from sublet_agent.moves.resume import resume_slice
from sublet_agent.moves.suspend import suspend_slice
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.cap_keepers import DriverLimit

from tests.support.agent_cases import Bench
from tests.support.fake_device import GPU

OTHER_GPU = GpuId("FAKE-1")
A = SliceId("a")


@dataclass
class FakeLimits:
    """A driver with limits, and all that was asked of it."""

    calls: list[tuple[object, ...]]
    unable: DriverLimit | None = None
    limits: dict[tuple[GpuId, str], int] = field(default_factory=dict)
    above: int | None = None
    """The limit of a group above all others."""
    used_mib: int = 0
    errors: dict[str, DeviceError] = field(default_factory=dict)
    forgets: bool = False
    """Whether what is set does not hold."""

    def why_not(self, _gpu_id: GpuId, _group: Path) -> DriverLimit | None:
        return self.unable

    def limit(self, gpu_id: GpuId, group: Path) -> GroupLimit | None:
        if "limit" in self.errors:
            raise self.errors["limit"]
        found = self.limits.get((gpu_id, group.name), self.above)
        return None if found is None else GroupLimit(found, self.used_mib)

    def set(self, gpu_id: GpuId, group: Path, limit_mib: int) -> None:
        self._call("set", gpu_id, group.name, limit_mib)
        if not self.forgets:
            self.limits[gpu_id, group.name] = limit_mib

    def lift(self, gpu_id: GpuId, group: Path) -> None:
        self._call("lift", gpu_id, group.name)
        self.limits.pop((gpu_id, group.name), None)

    def _call(self, name: str, *more: object) -> None:
        self.calls.append((name, *more))
        if name in self.errors:
            raise self.errors[name]


@dataclass
class World:
    """Slices with groups of version 2 in a folder, and a driver."""

    bench: Bench
    driver: FakeLimits
    groups: dict[SliceId, SliceGroup] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin as a new agent does: with nothing remembered."""
        self.limits = DriverLimits(self.driver, self.groups.get, self.bench.clock.monotonic)
        self.tools = replace(self.bench.tools, limits=self.limits)

    def group(self, slice_id: SliceId = A, **changes: object) -> SliceGroup:
        tree = FreezerTree(2, self.bench.folder / "cgroup")
        folder = tree.folder / "ours" / slice_id
        folder.mkdir(parents=True, exist_ok=True)
        for file in (folder / "cgroup.freeze", folder.parent / "cgroup.procs"):
            file.touch(0o644)
        group = SliceGroup(slice_id, GPU, tree, f"/ours/{slice_id}")
        self.groups[slice_id] = replace(group, **changes)
        return self.groups[slice_id]

    def keep(self, limit_mib: int | None = 1000, **changes: object) -> DriverLimit | None:
        self.limits.keep(replace(WantedLimit(A, GPU, limit_mib), **changes))
        return self.limits.standing(A)

    @property
    def held(self) -> dict[tuple[GpuId, str], int]:
        """The limits that hold in the driver."""
        return self.driver.limits


@pytest.fixture
def world(tmp_path):
    bench = Bench(tmp_path)
    made = World(bench, FakeLimits(bench.device.calls))
    made.group()
    yield made
    bench.close()


def test_the_cap_is_the_limit_of_the_slices_own_group(world):
    assert world.keep(1000) is DriverLimit.KEPT
    assert world.held == {(GPU, "a"): 1000}


def test_another_cap_is_another_limit(world):
    world.keep(1000)
    assert world.limits.is_due(WantedLimit(A, GPU, 2000))
    assert world.keep(2000) is DriverLimit.KEPT
    assert world.held == {(GPU, "a"): 2000}


def test_a_limit_that_stands_is_not_set_again(world):
    world.keep(1000)
    assert not world.limits.is_due(WantedLimit(A, GPU, 1000))
    calls = list(world.driver.calls)
    world.bench.clock.passes(60)
    assert world.limits.is_due(WantedLimit(A, GPU, 1000))
    assert world.keep(1000) is DriverLimit.KEPT
    assert world.driver.calls == calls


def test_a_limit_that_somebody_took_away_is_set_again(world):
    world.keep(1000)
    world.driver.limits.clear()
    world.bench.clock.passes(60)
    assert world.keep(1000) is DriverLimit.KEPT
    assert world.held == {(GPU, "a"): 1000}


def test_a_slice_that_is_given_back_has_no_limit_any_more(world):
    world.keep(1000)
    assert world.keep(None) is None
    assert world.held == {}


def test_an_agent_that_begins_sets_the_limits_again(world):
    world.keep(1000)
    world.begin()
    assert world.limits.is_due(WantedLimit(A, GPU, 1000))
    assert world.keep(1000) is DriverLimit.KEPT
    assert world.held == {(GPU, "a"): 1000}


def test_an_agent_that_begins_lifts_the_limit_of_a_slice_that_is_to_have_none(world):
    world.keep(1000)
    world.begin()
    assert world.keep(None) is None
    assert world.held == {}


def test_the_limit_goes_with_its_slice_to_another_card(world):
    world.keep(1000)
    assert world.keep(1000, gpu_id=OTHER_GPU) is DriverLimit.KEPT
    assert world.held == {(OTHER_GPU, "a"): 1000}


@pytest.mark.parametrize("why", [DriverLimit.OLD_DRIVER, DriverLimit.OLD_GROUPS])
def test_a_driver_without_limits_is_asked_for_nothing(world, why):
    world.driver.unable = why
    assert world.keep(1000) is why
    assert world.driver.calls == []


def test_where_mps_begins_to_run_the_limit_is_lifted(world):
    world.keep(1000)
    world.driver.unable = DriverLimit.MPS
    world.bench.clock.passes(60)
    assert world.keep(1000) is DriverLimit.MPS
    assert world.held == {}


def test_groups_of_version_1_have_no_limit(world):
    world.group(tree=FreezerTree(1, world.bench.folder / "cgroup"))
    assert world.keep(1000) is DriverLimit.OLD_GROUPS
    assert world.driver.calls == []


def test_a_pods_group_is_never_touched(world):
    world.group(pod_uid="some-pod")
    assert world.keep(1000) is DriverLimit.NO_GROUP
    assert world.limits.lift_for_move(A, GPU) == ""
    assert world.driver.calls == []


def test_a_slice_without_a_group_is_told_so(world):
    world.groups.clear()
    assert world.keep(1000) is DriverLimit.NO_GROUP
    assert world.driver.calls == []


def test_a_slice_that_gets_its_group_later_gets_its_limit_soon(world):
    world.groups.clear()
    world.keep(1000)
    world.group()
    world.bench.clock.passes(0.25)
    assert world.limits.is_due(WantedLimit(A, GPU, 1000))
    assert world.keep(1000) is DriverLimit.KEPT
    assert not world.limits.is_due(WantedLimit(A, GPU, 1000))


def test_a_group_that_others_may_leave_has_no_limit(world):
    group = world.group()
    (group.tree.folder / "ours" / "cgroup.procs").chmod(0o666)
    assert world.keep(1000) is DriverLimit.NOT_ALONE
    assert world.held == {}


def test_a_limit_of_a_group_above_is_left_alone(world):
    world.driver.above = 500
    assert world.keep(1000) is DriverLimit.LIMITED_ABOVE
    assert world.held == {}


def test_who_has_more_than_the_cap_gets_no_limit_until_that_is_over(world):
    assert world.keep(1000, held_mib=1001) is DriverLimit.OVER_CAP
    assert world.held == {}
    world.bench.clock.passes(60)
    assert world.limits.is_due(WantedLimit(A, GPU, 1000, 900))
    assert world.keep(1000, held_mib=900) is DriverLimit.KEPT


def test_who_has_more_by_the_drivers_own_count_gets_no_limit_either(world):
    world.driver.used_mib = 1001
    assert world.keep(1000) is DriverLimit.OVER_CAP
    assert world.held == {}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DeviceError("no permission"), DriverLimit.REFUSED),
        (NoControllerError("not found"), DriverLimit.OLD_GROUPS),
    ],
)
def test_a_limit_that_is_refused_is_told(world, error, told):
    world.driver.errors["set"] = error
    assert world.keep(1000) is told
    assert world.held == {}


def test_a_limit_that_does_not_hold_is_told(world):
    world.driver.forgets = True
    assert world.keep(1000) is DriverLimit.REFUSED


def test_the_limit_is_lifted_before_anything_of_a_slice_is_paused(world):
    target = world.bench.process("a", 1, 800)
    world.keep(1000)
    world.driver.calls.clear()
    outcome = suspend_slice(world.tools, world.bench.plan(target), UndoSwitch())
    assert outcome.end is MoveEnd.DONE
    assert world.driver.calls[0] == ("lift", GPU, "a")
    assert world.held == {}


def test_the_limit_is_set_again_before_a_slice_that_is_back_runs_on(world):
    target = world.bench.process("a", 1, 800)
    world.keep(1000)
    outcome = suspend_slice(world.tools, world.bench.plan(target), UndoSwitch())
    world.driver.calls.clear()
    (image,) = outcome.suspended.values()
    assert resume_slice(world.tools, world.bench.plan(image)).end is MoveEnd.DONE
    names = [call[0] for call in world.driver.calls]
    assert names.index("resume") < names.index("set") < names.index("unpause")
    assert world.limits.standing(A) is DriverLimit.KEPT


def test_a_slice_that_got_another_cap_while_it_was_away_comes_back_with_that(world):
    target = world.bench.process("a", 1, 800)
    world.keep(1000)
    outcome = suspend_slice(world.tools, world.bench.plan(target), UndoSwitch())
    world.limits.note(WantedLimit(A, GPU, 2000))
    assert world.held == {}
    (image,) = outcome.suspended.values()
    assert resume_slice(world.tools, world.bench.plan(image)).end is MoveEnd.DONE
    assert world.held == {(GPU, "a"): 2000}


def test_an_agent_that_begins_lifts_a_limit_before_it_brings_a_slice_back(world):
    target = world.bench.process("a", 1, 800)
    outcome = suspend_slice(world.tools, world.bench.plan(target), UndoSwitch())
    world.driver.limits[GPU, "a"] = 1000
    world.begin()
    world.driver.calls.clear()
    (image,) = outcome.suspended.values()
    assert resume_slice(world.tools, world.bench.plan(image)).end is MoveEnd.DONE
    names = [call[0] for call in world.driver.calls]
    assert names.index("lift") < names.index("resume")


def test_nothing_is_moved_where_the_limit_cannot_be_lifted(world):
    target = world.bench.process("a", 1, 800)
    world.keep(1000)
    world.driver.errors["lift"] = DeviceError("no answer")
    outcome = suspend_slice(world.tools, world.bench.plan(target), UndoSwitch())
    assert outcome.end is MoveEnd.PUT_OFF
    assert "cannot be lifted: no answer" in outcome.detail
    assert world.bench.states() == {1: "running"}


def test_nothing_is_brought_back_where_the_limit_cannot_be_lifted(world):
    target = world.bench.process("a", 1, 800)
    outcome = suspend_slice(world.tools, world.bench.plan(target), UndoSwitch())
    world.begin()
    world.limits.note(WantedLimit(A, GPU, 1000))
    world.driver.limits[GPU, "a"] = 1000
    world.driver.errors["lift"] = DeviceError("no answer")
    (image,) = outcome.suspended.values()
    back = resume_slice(world.tools, world.bench.plan(image))
    assert back.end is MoveEnd.PUT_OFF
    assert "cannot be lifted: no answer" in back.detail
    assert world.bench.states() == {1: "suspended"}


def test_no_limit_is_set_while_memory_moves(world):
    world.keep(1000)
    assert world.limits.lift_for_move(A, GPU) == ""
    assert world.keep(1000) is DriverLimit.MOVING
    assert world.held == {}
    world.limits.move_ended(A)
    assert world.limits.is_due(WantedLimit(A, GPU, 1000))
    assert world.keep(1000) is DriverLimit.KEPT


@pytest.mark.parametrize("may", [{"limit", "lift", "set"}, {"lift", "set"}])
def test_an_agent_that_may_not_set_limits_moves_slices_that_are_to_have_none(world, may):
    target = world.bench.process("a", 1, 800)
    world.driver.errors = dict.fromkeys(may, DeviceError("no permission"))
    world.driver.above = 5000
    assert world.keep(None) is None
    outcome = suspend_slice(world.tools, world.bench.plan(target), UndoSwitch())
    assert outcome.end is MoveEnd.DONE
    (image,) = outcome.suspended.values()
    assert resume_slice(world.tools, world.bench.plan(image)).end is MoveEnd.DONE
    assert world.limits.standing(A) is None


def test_where_nothing_is_limited_an_agent_that_may_not_set_limits_tells_so_and_moves(world):
    target = world.bench.process("a", 1, 800)
    world.driver.errors = dict.fromkeys({"lift", "set"}, DeviceError("no permission"))
    assert world.keep(1000) is DriverLimit.REFUSED
    outcome = suspend_slice(world.tools, world.bench.plan(target), UndoSwitch())
    assert outcome.end is MoveEnd.DONE


def test_a_move_of_a_slice_that_needs_no_limit_sets_and_lifts_none(world):
    target = world.bench.process("a", 1, 800)
    for _ in range(2):
        (image,) = suspend_slice(
            world.tools, world.bench.plan(target), UndoSwitch()
        ).suspended.values()
        resume_slice(world.tools, world.bench.plan(image))
    assert [call for call in world.driver.calls if call[0] in {"set", "lift"}] == []


def test_the_groups_of_the_agent_hand_the_kernels_controller_down_and_no_other_does(world):
    group = world.group()
    ours = group.tree.folder / "ours"
    for folder, has in ((ours, "cpu dmem"), (ours.parent, "cpu dmem")):
        (folder / "cgroup.controllers").write_text(has)
        (folder / "cgroup.subtree_control").write_text("cpu")
    world.keep(1000)
    assert (ours / "cgroup.subtree_control").read_text() == "+dmem"
    assert (ours.parent / "cgroup.subtree_control").read_text() == "cpu"


def test_the_topmost_group_is_left_as_it_is(world):
    tree = FreezerTree(2, world.bench.folder)
    (tree.folder / "a").mkdir()
    (tree.folder / "cgroup.controllers").write_text("dmem")
    (tree.folder / "cgroup.subtree_control").write_text("")
    tree.hand_down("/a", "dmem")
    assert (tree.folder / "cgroup.subtree_control").read_text() == ""
