"""What slices use, when they were lent, and their history: from reports, by a clock of the test."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, GpuRecord, SliceRecord
from sublet_hub.state.fleet import NodeView
from sublet_hub.usage.lending_periods import LentTimes
from sublet_hub.usage.meter import STRETCH_S, UseMeter
from sublet_hub.usage.slice_history import MOST_POINTS, Histories
from sublet_hub.usage.store import UseStore
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, JobId, NodeId, SliceId
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import ForeignProcesses

from tests.support.compute_race import (
    BOUND_BY_PYTHON,
    LARGE_PRODUCTS,
    SMALL_KERNELS,
    ComputeRace,
    Racer,
)
from tests.support.fake_agent import a_gpu, a_report
from tests.support.ledger_records import a_slice_record
from tests.support.migrated_ledger import migrated_ledger

START = datetime(2026, 11, 24, 9, 10, tzinfo=UTC)
GPU = GpuRecord(GpuId("SIM-0"), NodeId("node-a"), 0, "Simulated", 81920, 1024, simulated=True)
WATT_HOUR_MJ = 3_600_000


def a_slice(slice_id: str, owner: str, **values: Any) -> SliceRecord:
    facts = {"compute_milli": 500, "created_at": START, **values}
    return a_slice_record(slice_id, owner, GPU, **facts)


@dataclass
class Desk:
    """A ledger with slices of ada and ben, and a clock."""

    database: Database
    now: datetime = START
    ledger: Ledger = field(init=False)
    store: UseStore = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.database)
        self.store = UseStore(self.database)

    def clock(self) -> datetime:
        return self.now

    def hold(self, *records: SliceRecord) -> None:
        self.ledger.apply(Change(gpus=(GPU,), slices=records), self.now)

    def report(
        self,
        *parts: Any,
        energy_mj: int | None = None,
        passes: float = 5,
        foreign: ForeignProcesses | None = None,
        **reports: Any,
    ) -> None:
        """Let time pass; then the agent reports, of each slice by its name."""
        self.now += timedelta(seconds=passes)
        view = NodeView(NodeId("node-a"), "boot", "0", 1)
        view.gpus = {GPU.gpu_id: a_gpu(energy_mj=energy_mj, foreign_processes=foreign)}
        view.slices = {SliceId(name): a_report(name, **said) for name, said in reports.items()}
        for part in parts:
            part.take(view)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = migrated_ledger(tmp_path / "ledger.sqlite")
    made = Desk(database)
    made.hold(a_slice("a", "ada"), a_slice("b", "ben", server="b"))
    yield made
    database.close()


def test_gpu_time_is_the_difference_of_a_slices_counter(desk: Desk) -> None:
    meter = UseMeter(desk.ledger, desk.store, desk.clock)
    desk.report(meter, a={"gpu_busy_ms": 50_000})
    desk.report(meter, a={"gpu_busy_ms": 53_600})
    desk.report(meter, a={"gpu_busy_ms": 57_200})
    assert meter.week("ada").gpu_hours == pytest.approx(7.2 / 3600, abs=1e-4)
    assert meter.week("ben").gpu_hours == 0


def test_an_agent_that_counts_from_nothing_again_takes_nothing_away(desk: Desk) -> None:
    meter = UseMeter(desk.ledger, desk.store, desk.clock)
    desk.report(meter, a={"gpu_busy_ms": 50_000})
    desk.report(meter, a={"gpu_busy_ms": 3_600})
    assert meter.week("ada").gpu_hours == pytest.approx(3.6 / 3600, abs=1e-4)


def test_where_the_driver_counts_no_time_utilisation_has_to_do(desk: Desk) -> None:
    meter = UseMeter(desk.ledger, desk.store, desk.clock)
    desk.report(meter, a={"utilisation_percent": 50})
    desk.report(meter, a={"utilisation_percent": 50}, passes=20)
    assert meter.week("ada").gpu_hours == pytest.approx(10 / 3600, abs=1e-4)


def test_energy_is_split_and_adds_up_to_what_the_counter_says(desk: Desk) -> None:
    meter = UseMeter(desk.ledger, desk.store, desk.clock)
    idle = {"gpu_busy_ms": 1}
    desk.report(meter, energy_mj=0, a=idle, b=idle)
    # 100 W when nobody computes: half of it each, for half the GPU each.
    desk.report(meter, energy_mj=500_000, a=idle, b=idle)
    # 300 W while ada computes alone: 200 W of it are hers.
    desk.report(meter, energy_mj=2_000_000, a={"gpu_busy_ms": 5_001}, b=idle)
    ada, ben = meter.week("ada").energy_wh, meter.week("ben").energy_wh
    assert ada == pytest.approx((250_000 + 250_000 + 1_000_000) / WATT_HOUR_MJ, abs=1e-3)
    assert ben == pytest.approx((250_000 + 250_000) / WATT_HOUR_MJ, abs=1e-3)


def test_energy_follows_turns_of_computing_and_adds_up_to_the_last_mj(desk: Desk) -> None:
    meter = UseMeter(desk.ledger, desk.store, desk.clock)
    race = ComputeRace([Racer(LARGE_PRODUCTS, 750), Racer(SMALL_KERNELS, 250)])
    idle_mj = 380_000

    def report(energy_mj: int) -> None:
        busy_ms = [int(tenant.process.usage.total_s * 1000) for tenant in race.tenants]
        # A slice's counter of 0 would say that the driver counts no time.
        used = [{"gpu_busy_ms": 1 + each} for each in busy_ms]
        desk.report(meter, energy_mj=energy_mj, a=used[0], b=used[1])

    # 76 W when nobody computes, of what both have reserved half each.
    report(0)
    report(idle_mj)
    for _ in range(6):
        race.run(STRETCH_S)
        counter_mj = idle_mj + int(race.bench.monitor.energy_mj("SIM-0"))
        report(counter_mj)
    meter.store()
    ada, ben = (desk.store.use_since(who, START).energy_mj for who in ("ada", "ben"))
    assert ada + ben == counter_mj
    of_all_that_is_idle = 7 * idle_mj / 2
    assert (ada - of_all_that_is_idle) / (ben - of_all_that_is_idle) == pytest.approx(3, rel=0.1)


def test_what_a_process_of_no_slice_uses_is_on_nobodys_account(desk: Desk) -> None:
    meter = UseMeter(desk.ledger, desk.store, desk.clock)
    foreign = ForeignProcesses(count=1, pids=(9,), held_mib=1, utilisation_percent=50)
    desk.report(meter, energy_mj=0, a={"gpu_busy_ms": 1})
    # 100 W when nobody computes: half of it hers, for half of the card.
    desk.report(meter, energy_mj=500_000, a={"gpu_busy_ms": 1})
    desk.report(meter, energy_mj=2_000_000, foreign=foreign, a={"gpu_busy_ms": 2_501})
    meter.store()
    assert desk.store.use_since("ada", START).energy_mj == 250_000 + 250_000 + 500_000


def test_energy_follows_open_turns_too_and_a_new_agent_that_counts_from_nothing(desk: Desk) -> None:
    meter = UseMeter(desk.ledger, desk.store, desk.clock)
    race = ComputeRace([Racer(LARGE_PRODUCTS, 750), Racer(BOUND_BY_PYTHON, 250)])
    idle_mj, first_ms = 380_000, [0, 0]

    def busy_ms() -> list[int]:
        return [int(tenant.process.usage.total_s * 1000) for tenant in race.tenants]

    def report(energy_mj: int) -> None:
        a, b = (1 + ms - first for ms, first in zip(busy_ms(), first_ms, strict=True))
        desk.report(meter, energy_mj=energy_mj, a={"gpu_busy_ms": a}, b={"gpu_busy_ms": b})

    # 76 W when nobody computes, of what both have reserved half each.
    report(0)
    report(idle_mj)
    for stretch in range(8):
        if stretch == 6:
            first_ms = busy_ms()
        race.run(STRETCH_S)
        counter_mj = idle_mj + int(race.bench.monitor.energy_mj("SIM-0"))
        report(counter_mj)
    assert any(decided.round and decided.round.opened for decided in race.decisions)
    meter.store()
    had_mj = [desk.store.use_since(who, START).energy_mj for who in ("ada", "ben")]
    assert sum(had_mj) == counter_mj
    active_mj = [mj - 9 * idle_mj / 2 for mj in had_mj]
    parts = [ms / sum(busy_ms()) for ms in busy_ms()]
    assert [mj / sum(active_mj) for mj in active_mj] == pytest.approx(parts, rel=0.05)


def test_energy_is_not_made_up_where_a_card_has_no_counter(desk: Desk) -> None:
    meter = UseMeter(desk.ledger, desk.store, desk.clock)
    desk.report(meter, a={})
    desk.report(meter, a={})
    assert meter.week("ada").energy_wh is None
    assert meter.week("ben").energy_wh == 0


def test_a_stretch_in_which_nobody_listened_is_not_split(desk: Desk) -> None:
    meter = UseMeter(desk.ledger, desk.store, desk.clock)
    desk.report(meter, energy_mj=0, a={"gpu_busy_ms": 1, "lent_to": ("j",)})
    desk.report(meter, energy_mj=10**9, passes=600, a={"gpu_busy_ms": 36_001, "lent_to": ("j",)})
    week = meter.week("ada")
    assert (week.energy_wh, week.lent_hours) == (0, 0)
    assert week.gpu_hours == pytest.approx(0.01)


def test_a_week_is_stored_and_what_is_older_is_not_counted(desk: Desk) -> None:
    meter = UseMeter(desk.ledger, desk.store, desk.clock)
    desk.report(meter, a={"lent_to": ("j",)})
    for _ in range(6):
        desk.report(meter, a={"lent_to": ("j",)}, passes=30)
        meter.store()
    assert meter.week("ada").lent_hours == pytest.approx(0.05)
    again = UseMeter(desk.ledger, desk.store, desk.clock)
    assert again.week("ada").lent_hours == pytest.approx(0.05)
    desk.now += timedelta(days=7, hours=1)
    assert again.week("ada").lent_hours == 0


def test_what_is_older_than_its_term_is_forgotten(desk: Desk) -> None:
    meter = UseMeter(desk.ledger, desk.store, desk.clock)
    desk.report(meter, a={"lent_to": ("j",)})
    desk.report(meter, a={"lent_to": ("j",)})
    meter.store()
    desk.store.forget_before(use=START + timedelta(days=1), history=START)
    assert meter.week("ada").lent_hours == 0


def test_when_and_to_which_job_a_slice_was_lent_is_kept_in_the_ledger(desk: Desk) -> None:
    desk.hold(a_slice("j", "ben", holder=Holder.JOB, job_id=JobId("job-1")))
    times = LentTimes(desk.ledger, desk.clock)
    desk.report(times, a={"active": False, "lent_to": ("j",)}, j={})
    began = desk.now
    assert desk.ledger.slices[SliceId("a")].lent_since == began
    desk.report(times, a={"active": False, "lent_to": ("j",)}, j={})
    desk.report(times, a={}, j={})
    record = desk.ledger.slices[SliceId("a")]
    assert record.lent_since is None
    assert (record.last_lent_from, record.last_lent_until) == (began, desk.now)
    assert record.last_lent_job == "job-1"
    assert Ledger(desk.database).slices[SliceId("a")] == record
    assert desk.ledger.slices[SliceId("j")].lent_since is None


def test_history_has_a_point_every_ten_seconds_and_no_more_than_an_hour(desk: Desk) -> None:
    histories = Histories(desk.ledger, desk.store, desk.clock)
    for step in range(2 * MOST_POINTS + 40):
        desk.report(histories, passes=10, a={"memory_mib": step})
    points = histories.points(SliceId("a"), None)
    assert len(points) <= MOST_POINTS
    assert points[-1].memory_mib == 2 * MOST_POINTS + 39
    assert points[-1].at - points[-2].at == timedelta(seconds=10)
    assert desk.now - points[0].at <= timedelta(hours=1)


def test_a_point_shows_what_happened_since_the_one_before(desk: Desk) -> None:
    histories = Histories(desk.ledger, desk.store, desk.clock)
    desk.report(histories, a={"active": False})
    desk.report(histories, passes=1, a={"utilisation_percent": 100, "active": True})
    desk.report(histories, passes=1, a={"lent_to": ("j",), "active": False})
    desk.report(histories, passes=10, a={"active": False, "state": SliceState.SUSPENDED})
    _, last = histories.points(SliceId("a"), None)
    assert (last.utilisation_percent, last.active, last.lent) == (33, True, True)
    assert last.state is SliceState.SUSPENDED


def test_history_is_stored_in_blocks_and_read_again_without_a_point_twice(desk: Desk) -> None:
    histories = Histories(desk.ledger, desk.store, desk.clock)
    for step in range(100):
        desk.report(histories, passes=10, a={"memory_mib": step})
        histories.store()
    histories.store(everything=True)
    again = Histories(desk.ledger, desk.store, desk.clock)
    assert again.points(SliceId("a"), None) == histories.points(SliceId("a"), None)
    assert len(again.points(SliceId("a"), None)) == 100


def test_the_history_of_a_released_slice_is_gone(desk: Desk) -> None:
    histories = Histories(desk.ledger, desk.store, desk.clock)
    desk.report(histories, a={})
    desk.ledger.apply(Change(released=(SliceId("a"),)), desk.now)
    assert histories.points(SliceId("a"), None) == ()
