"""Newcomers and long turns in a closed loop with a model of the card.

- Who computes for long has at least half of its due time, whoever comes: an equal part of the time
  in which something ran, among all who were at work then.
- What turns cost is bounded: the card computes for most of the time.
"""

from datetime import timedelta

import pytest

from tests.quota.residency.town import SETTINGS, STEP_S, Town, found_town
from tests.support.model_device import ModelDevice, ModelSlice

TURN_S = SETTINGS.turn.total_seconds()


def of_these(seed: int, *, long: int, come: int, size: int = 60) -> Town:
    """A card that fits one of them, some of whom compute all the time."""
    town = found_town(seed, suspend_mib_per_s=20, resume_mib_per_s=40)
    town.device.slices.clear()
    for number in range(long + come):
        name = f"long{number}" if number < long else f"comes{number}"
        town.device.add(ModelSlice(name, size, wants_mib=size))
    town.wakes = town.idles = town.interrupts = 0
    for name in town.device.slices:
        if name.startswith("long"):
            town.device.wake(name)
    return town


def rested_s(device: ModelDevice, served: ModelSlice) -> float:
    return (device.now - served.since) / timedelta(seconds=1)


@pytest.mark.parametrize(("long", "come"), [(1, 1), (1, 4), (2, 1), (2, 3), (3, 6)])
def test_a_stream_of_newcomers_leaves_who_computes_long_half_of_its_due_time(long, come):
    """Each of these comes again as soon as that makes it a newcomer, and stays for a whole turn."""
    town = of_these(1, long=long, come=come)
    device, due_s = town.device, 0.0
    ran = {s.name: s.ran_s for s in device.owners}
    for _ in range(8000):
        for served in device.owners:
            if served.name.startswith("long"):
                continue
            if not served.active and rested_s(device, served) >= TURN_S:
                device.wake(served.name)
            elif served.active and served.ran_s - ran[served.name] >= TURN_S:
                ran[served.name] = served.ran_s
                device.fall_idle(served.name)
        before = sum(s.ran_s for s in device.owners)
        town.step()
        town.check_that_owners_run_in_time()
        at_work = sum(s.active for s in device.owners)
        due_s += (sum(s.ran_s for s in device.owners) - before) / max(1, at_work)
    for served in device.owners:
        if served.name.startswith("long"):
            assert served.ran_s >= due_s / 2, f"{served.name}: {served.ran_s} of {due_s}"


def test_who_ends_cells_all_the_time_gets_no_more_than_who_computes():
    """A rest that is shorter than a turn makes no newcomer: it gives the seat away."""
    town = of_these(2, long=2, come=1)
    device = town.device
    gamer = next(s for s in device.owners if s.name.startswith("comes"))
    for _ in range(6000):
        if gamer.active and gamer.gate_open and gamer.turn_since is not None:
            if (device.now - gamer.turn_since).total_seconds() >= TURN_S / 4:
                device.fall_idle(gamer.name)
        elif not gamer.active and rested_s(device, gamer) >= TURN_S / 4:
            device.wake(gamer.name)
        town.step()
        town.check_that_owners_run_in_time()
    assert gamer.first_turns == 1
    assert all(s.ran_s > gamer.ran_s for s in device.owners if s is not gamer)


def test_two_who_compute_move_no_more_often_than_a_turn_is_worth():
    """One of 60 takes 20 s out and 10 back; with turns of 20 s half of the time would be lost."""
    town = of_these(3, long=2, come=0)
    device = town.device
    device.suspend_mib_per_s, device.resume_mib_per_s = 3, 6
    for _ in range(4000):
        town.step()
        town.check_that_owners_run_in_time()
    ran_s = sum(s.ran_s for s in device.owners)
    assert ran_s > 0.7 * 4000 * STEP_S
    assert abs(device.owners[0].ran_s - device.owners[1].ran_s) <= 2 * 4 * TURN_S


def test_a_newcomer_runs_soon_beside_two_who_compute():
    town = of_these(4, long=2, come=1)
    device = town.device
    newcomer = next(s for s in device.owners if s.name.startswith("comes"))
    waits: list[float] = []
    for _ in range(8000):
        if not newcomer.active and rested_s(device, newcomer) >= 5 * TURN_S:
            device.wake(newcomer.name)
        elif newcomer.active and newcomer.gate_open:
            assert newcomer.turn_since is not None
            waits.append((newcomer.turn_since - newcomer.since).total_seconds())
            device.fall_idle(newcomer.name)
        town.step()
    assert len(waits) > 20
    # The rest of a turn that is ended by it, or of one that is whole, and the moves.
    assert sorted(waits)[len(waits) // 2] <= TURN_S / 4 + 5
    assert max(waits) <= TURN_S + 10
