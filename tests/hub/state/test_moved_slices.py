"""That a slice was moved is told for an hour, also after the service was started anew."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.records import Change
from sublet_hub.state.moved_slices import MovedSlices
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.wire.event_kinds import EventKind

from tests.support.metric_world import MetricWorld, metric_world

MOVED = SliceId("moved")


def came_at(world: MetricWorld, moved: MovedSlices) -> datetime | None:
    return moved.came_at(world.ledger.slices[MOVED])


def move(world: MetricWorld, to: str, *, tells: timedelta = timedelta(0)) -> None:
    """Let the slice come to another card, and its agent tell of it as at another time."""
    record = world.ledger.slices[MOVED]
    after = replace(record, gpu=world.ledger.gpus[GpuId(to)], came_from=record.gpu.gpu_id)
    told = slice_event(EventKind.CARD_CHANGED, after, world.now + tells)
    world.apply(Change(slices=(after,), events=(told,)))


def test_that_a_slice_was_moved_is_told_for_an_hour(tmp_path: Path) -> None:
    with metric_world(tmp_path) as world:
        world.cards(2)
        moved = MovedSlices(world.ledger, lambda: world.now)
        world.hold(MOVED)
        assert came_at(world, moved) is None
        move(world, "SIM-1")
        began = world.now
        world.pass_time(timedelta(minutes=59))
        assert came_at(world, moved) == began
        world.pass_time(timedelta(minutes=1))
        assert came_at(world, moved) is None


def test_a_slice_that_came_from_no_other_card_was_not_moved(tmp_path: Path) -> None:
    with metric_world(tmp_path) as world:
        world.cards(2)
        world.hold(MOVED)
        moved = MovedSlices(world.ledger, lambda: world.now)
        record = world.ledger.slices[MOVED]
        back = replace(record, gpu=world.ledger.gpus[GpuId("SIM-1")], came_from=None)
        world.apply(Change(slices=(back,)))
        assert came_at(world, moved) is None


def test_after_a_start_it_is_told_as_of_the_time_that_its_agent_told(tmp_path: Path) -> None:
    with metric_world(tmp_path) as world:
        world.cards(2)
        world.hold(MOVED)
        move(world, "SIM-1")
        began = world.now
        world.pass_time(timedelta(minutes=10))
        again = MovedSlices(world.ledger, lambda: world.now)
        assert came_at(world, again) == began


def test_of_a_time_to_come_an_agent_tells_as_of_now(tmp_path: Path) -> None:
    with metric_world(tmp_path) as world:
        world.cards(2)
        world.hold(MOVED)
        move(world, "SIM-1", tells=timedelta(days=300))
        began = world.now
        again = MovedSlices(world.ledger, lambda: world.now)
        world.pass_time(timedelta(minutes=50))
        assert came_at(world, again) == began


def test_of_an_agents_event_nothing_is_told_where_the_slice_is_elsewhere(tmp_path: Path) -> None:
    with metric_world(tmp_path) as world:
        world.cards(3)
        world.hold(MOVED)
        move(world, "SIM-1")
        record = replace(world.ledger.slices[MOVED], gpu=world.ledger.gpus[GpuId("SIM-2")])
        world.apply(Change(slices=(record,)))
        assert came_at(world, MovedSlices(world.ledger, lambda: world.now)) is None
