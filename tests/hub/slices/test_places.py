"""Places of slices over time: called back and back again, and what is kept for the next start."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.records import Change
from sublet_hub.slices.places import Places
from sublet_hub.slices.reserved_rooms import ReservedRooms
from sublet_quota.names.ids import SliceId
from sublet_quota.wire.event_kinds import EventKind

from tests.support.metric_world import MetricWorld, metric_world

QUOTA = """
gpu_types: {H100: {match: '*H100*'}}
groups: {lab: {guaranteed: {H100: 2}}, guests: {}}
"""
GUEST = SliceId("guest")


def places_of(world: MetricWorld, *, agents_are_back: bool = True) -> Places:
    reserved = ReservedRooms(world.ledger, world.fleet, world.capacity, lambda: world.now)
    return Places(
        world.ledger, world.capacity, reserved, lambda: world.now, lambda: agents_are_back
    )


def started_again(world: MetricWorld) -> MetricWorld:
    """The service on the same ledger; no agent has reported to it yet."""
    return MetricWorld(world.ledger, world.quota_path, world.charged, world.now)


def call_back(world: MetricWorld) -> None:
    record = replace(world.ledger.slices[GUEST], called_back_since=world.now)
    event = slice_event(EventKind.SLICE_CALLED_BACK, record, world.now, "called back")
    world.apply(Change(slices=(record,), events=(event,)))


def is_away(world: MetricWorld) -> bool:
    return world.ledger.slices[GUEST].called_back_since is not None


def back_after(world: MetricWorld, places: Places, most_s: int = 1200) -> int:
    """After how many seconds the guest's slice is back in its place."""
    began = world.now
    while is_away(world) and world.now < began + timedelta(seconds=most_s):
        world.pass_time(timedelta(seconds=1))
        places.look()
    return int((world.now - began).total_seconds())


def test_who_is_called_back_again_and_again_comes_back_after_pauses_that_double(
    tmp_path: Path,
) -> None:
    with metric_world(tmp_path, QUOTA) as world:
        world.cards(2)
        world.hold(GUEST, group="guests")
        places = places_of(world)
        pauses = []
        for _ in range(5):
            call_back(world)
            pauses.append(back_after(world, places))
        assert pauses == [1, 30, 60, 120, 240]


def test_no_pause_is_longer_than_ten_minutes_and_after_a_quiet_time_there_is_none(
    tmp_path: Path,
) -> None:
    with metric_world(tmp_path, QUOTA) as world:
        world.cards(2)
        world.hold(GUEST, group="guests")
        places = places_of(world)
        for _ in range(40):
            call_back(world)
            world.pass_time(timedelta(seconds=1))
        call_back(world)
        assert back_after(world, places) == 600
        world.pass_time(timedelta(minutes=10))
        call_back(world)
        assert back_after(world, places) == 1


def test_a_pause_goes_on_over_a_restart(tmp_path: Path) -> None:
    with metric_world(tmp_path, QUOTA) as world:
        world.cards(2)
        world.hold(GUEST, group="guests")
        places = places_of(world)
        call_back(world)
        back_after(world, places)
        call_back(world)
        again = started_again(world)
        again.cards(2)
        due = again.now + timedelta(seconds=30)
        assert again.capacity.return_pauses.back_at(GUEST) == due
        assert back_after(again, places_of(again)) == 30


def test_who_is_entitled_by_now_has_its_place_without_a_pause(tmp_path: Path) -> None:
    with metric_world(tmp_path, QUOTA) as world:
        world.cards(2)
        world.hold(GUEST, group="lab")
        places = places_of(world)
        for _ in range(3):
            call_back(world)
            assert back_after(world, places) == 1


def kept_in_force(world: MetricWorld) -> dict[str, int | None]:
    return {name: record.entitled_in_force for name, record in world.ledger.slices.items()}


def test_until_agents_are_back_after_a_start_what_was_in_force_stays_kept_for_the_next(
    tmp_path: Path,
) -> None:
    with metric_world(tmp_path, QUOTA) as world:
        world.cards(2)
        world.hold("old", "SIM-0", group="lab")
        world.hold("new", "SIM-1", group="lab", created_at=world.now + timedelta(seconds=1))
        places_of(world).look()
        assert kept_in_force(world) == {"old": 1, "new": 1}
        again = started_again(world)
        places_of(again, agents_are_back=False).look()
        assert kept_in_force(again) == {"old": 1, "new": 1}
        places_of(again).look()
        assert kept_in_force(again) == {"old": 0, "new": 0}
