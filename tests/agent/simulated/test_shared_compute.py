"""What several processes have of one card's compute, beside what was measured on a real one.

The measured figures are steps in a second: large matrix products, many small kernels, a training
loop that Python keeps waiting; each alone, beside others, and in turns of being locked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from sublet_agent.simulated.machine.speeds import Speeds

from tests.support.simulated_machine import Bench, BenchTenant

MANY_S = 1e6
PERIOD_S = 0.08


@dataclass(frozen=True)
class Program:
    """A program by its rate alone, and the part of the card's time that it keeps busy then."""

    alone: float
    kernel_s: float
    part: float = 1.0

    def start(self, tenant: BenchTenant) -> None:
        whole = self.part == 1.0
        tenant.compute(
            MANY_S,
            self.kernel_s,
            launch_s=0.0 if whole else self.kernel_s / self.part,
            waits_for_each=whole,
        )

    def steps(self, tenant: BenchTenant) -> float:
        last = tenant.process.work.last
        assert last is not None
        return last.done_s * self.alone / self.part


LARGE_PRODUCTS = Program(593, 1 / 593)
SMALL_KERNELS = Program(3035, 1 / 3035)
BOUND_BY_PYTHON = Program(71, 0.0003, part=0.4)


class Race:
    """Several processes of one program on one card."""

    def __init__(self, program: Program, processes: int) -> None:
        self.program = program
        self.bench = Bench(Speeds())
        self.tenants = [self.bench.tenant(pid) for pid in range(1, processes + 1)]
        for tenant in self.tenants:
            program.start(tenant)

    def rates(self, seconds: float) -> list[float]:
        """Return everybody's steps in a second as the driver slices the card's time."""
        self.bench.pass_time(seconds)
        return [self.program.steps(tenant) / seconds for tenant in self.tenants]

    def rates_in_turns(self, shares: Sequence[float], seconds: float) -> list[float]:
        """Return the same with one running and all others locked, one switch after the other."""
        for tenant in self.tenants[1:]:
            self.bench.lock(tenant.pid)
        self.bench.pass_time(0.01)
        before = [self.program.steps(tenant) for tenant in self.tenants]
        began, running = self.bench.machine.time_s, self.tenants[0].pid
        ends = began
        while ends < began + seconds:
            for tenant, share in zip(self.tenants, shares, strict=True):
                if tenant.pid != running:
                    self.switch(running, tenant.pid)
                    running = tenant.pid
                ends += PERIOD_S * share
                self.bench.pass_time(ends - self.bench.machine.time_s)
        return [
            (self.program.steps(tenant) - b) / seconds
            for tenant, b in zip(self.tenants, before, strict=True)
        ]

    def switch(self, off: int, on: int) -> None:
        for operate, pid in ((self.bench.lock, off), (self.bench.unlock, on)):
            reply = operate(pid)
            while not reply.done:
                self.bench.pass_time(self.bench.machine.next_event_s() - self.bench.machine.time_s)


@pytest.mark.parametrize("program", [LARGE_PRODUCTS, SMALL_KERNELS, BOUND_BY_PYTHON])
def test_a_program_alone_has_its_own_speed(program: Program) -> None:
    assert Race(program, 1).rates(2.0) == [pytest.approx(program.alone, rel=0.01)]


@pytest.mark.parametrize(
    ("program", "measured"),
    [
        pytest.param(LARGE_PRODUCTS, (286, 286), id="large-products"),
        pytest.param(SMALL_KERNELS, (1162, 1164), id="small-kernels"),
        pytest.param(SMALL_KERNELS, (593, 587, 592, 586), id="four-of-small-kernels"),
        pytest.param(BOUND_BY_PYTHON, (71, 71), id="bound-by-python"),
    ],
)
def test_the_driver_slices_time_as_measured(program: Program, measured: tuple[float, ...]) -> None:
    rates = Race(program, len(measured)).rates(2.0)
    assert rates == [pytest.approx(each, rel=0.03) for each in measured]


@pytest.mark.parametrize(
    ("program", "shares", "measured"),
    [
        pytest.param(LARGE_PRODUCTS, (0.5, 0.5), (286, 275), id="large-products"),
        pytest.param(LARGE_PRODUCTS, (0.75, 0.25), (420, 141), id="large-products-3-to-1"),
        pytest.param(SMALL_KERNELS, (0.5, 0.5), (1302, 1365), id="small-kernels"),
        pytest.param(SMALL_KERNELS, (0.75, 0.25), (2098, 704), id="small-kernels-3-to-1"),
        pytest.param(BOUND_BY_PYTHON, (0.5, 0.5), (37, 37), id="bound-by-python"),
        pytest.param(BOUND_BY_PYTHON, (0.75, 0.25), (56, 21), id="bound-by-python-3-to-1"),
    ],
)
def test_turns_of_being_locked_come_to_what_was_measured(
    program: Program, shares: tuple[float, ...], measured: tuple[float, ...]
) -> None:
    rates = Race(program, len(shares)).rates_in_turns(shares, 2.0)
    assert sum(rates) == pytest.approx(sum(measured), rel=0.12)
    parts = [rate / sum(rates) for rate in rates]
    assert parts == [pytest.approx(each / sum(measured), abs=0.04) for each in measured]


def test_turns_gain_with_small_kernels_and_lose_half_where_the_card_waits_for_the_program() -> None:
    gain = sum(Race(SMALL_KERNELS, 2).rates_in_turns((0.5, 0.5), 2.0))
    assert gain / sum(Race(SMALL_KERNELS, 2).rates(2.0)) > 1.1
    kept = sum(Race(BOUND_BY_PYTHON, 2).rates_in_turns((0.5, 0.5), 2.0))
    assert kept / sum(Race(BOUND_BY_PYTHON, 2).rates(2.0)) < 0.55


def test_who_needs_little_of_the_card_has_it_beside_one_who_fills_it() -> None:
    bench = Bench(Speeds())
    filling, little = bench.tenant(1), bench.tenant(2)
    filling.compute(MANY_S)
    little.compute(MANY_S, 0.0003, launch_s=0.003)
    bench.pass_time(2.0)
    told = {p["pid"]: p["utilisation_percent"] for p in bench.monitor.processes("SIM-0")}
    assert told == {1: 90, 2: 10}
    assert bench.monitor.utilisation_percent("SIM-0") == 100


def test_a_card_that_waits_for_its_programs_tells_that_it_is_not_full() -> None:
    race = Race(BOUND_BY_PYTHON, 2)
    race.rates(2.0)
    told = [p["utilisation_percent"] for p in race.bench.monitor.processes("SIM-0")]
    assert told == [40, 40]
    assert race.bench.monitor.utilisation_percent("SIM-0") == 80


def test_utilisation_tells_each_process_its_part_of_a_full_card() -> None:
    race = Race(LARGE_PRODUCTS, 4)
    race.rates(2.0)
    told = [p["utilisation_percent"] for p in race.bench.monitor.processes("SIM-0")]
    assert told == [25] * 4
    assert race.bench.monitor.utilisation_percent("SIM-0") == 100
