"""The agent's time never goes back, whatever is done to the machine's clock."""

from sublet_agent.clock import SystemClock


class Machine:
    """A wall clock that somebody sets, and seconds since the boot."""

    wall, monotonic = 1_000_000.0, 50.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


def seconds_passed(machine: Machine, clock: SystemClock, seconds: float) -> float:
    before = clock.now()
    machine.passes(seconds)
    return (clock.now() - before).total_seconds()


def test_time_passes_as_on_the_wall():
    machine = Machine()
    clock = SystemClock(lambda: machine.wall, lambda: machine.monotonic)
    assert seconds_passed(machine, clock, 10) == 10
    assert clock.now().timestamp() == machine.wall


def test_a_step_back_makes_it_slower_until_both_agree():
    machine = Machine()
    clock = SystemClock(lambda: machine.wall, lambda: machine.monotonic)
    before = clock.now()
    machine.wall -= 3600
    machine.passes(10)
    assert (clock.now() - before).total_seconds() == 9
    assert clock.ahead().total_seconds() == 3599
    for _ in range(400):
        assert 89.9 < seconds_passed(machine, clock, 100) < 100.1
    assert clock.now().timestamp() == machine.wall


def test_a_step_forward_is_followed():
    machine = Machine()
    clock = SystemClock(lambda: machine.wall, lambda: machine.monotonic)
    before = clock.now()
    machine.wall += 3600
    machine.passes(10)
    assert (clock.now() - before).total_seconds() == 3610
