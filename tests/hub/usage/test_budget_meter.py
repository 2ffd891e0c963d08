"""What is held of each kind adds up to how long it was held, whoever was away meanwhile."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_hub.ledger.charged_hours import ChargedHourStore
from sublet_hub.ledger.database import Database, LedgerWriteError
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, GpuRecord, SliceRecord
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import Fleet, NodeView
from sublet_hub.usage.budgets.meter import BudgetMeter
from sublet_quota.budgets.charge import HeldKind
from sublet_quota.budgets.spending import ChargedHour
from sublet_quota.document.reading import read_quota_document
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, GroupName, JobId, NodeId, SliceId
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import Hello

from tests.support.fake_agent import a_gpu, a_report
from tests.support.ledger_records import a_slice_record
from tests.support.migrated_ledger import migrated_ledger

START = datetime(2026, 11, 24, 9, 10, tzinfo=UTC)
GPU = GpuRecord(GpuId("SIM-0"), NodeId("node-a"), 0, "Simulated", 81920, 1024, simulated=True)
DOCUMENT = dedent(
    """
    groups:
      lab: {guaranteed: {Simulated: 1}, budget: {hours: 100, lent_rate: 0.5}}
      poor: {budget: {hours: 100, lent_rate: 0.25}}
      free: {}
    """
)
S = 1_000_000


def a_slice(slice_id: str, owner: str, group: str | None = "lab", **values: Any) -> SliceRecord:
    payer = None if group is None else GroupName(group)
    facts = {"compute_milli": 500, "created_at": START, "group": payer, "server": slice_id}
    return a_slice_record(slice_id, owner, GPU, **{**facts, **values})


@dataclass
class Desk:
    """A ledger with a card, what is stored of budgets, and a clock."""

    database: Database
    now: datetime = START
    ledger: Ledger = field(init=False)
    store: ChargedHourStore = field(init=False)
    capacity: Capacity = field(init=False)
    fleet: Fleet = field(init=False)

    def __post_init__(self) -> None:
        self.store = ChargedHourStore(self.database)
        self.read()

    def start(self) -> BudgetMeter:
        """Start the service anew: what was not stored is forgotten."""
        self.read()
        return BudgetMeter(self.ledger, self.capacity, self.store, self.clock)

    def read(self) -> None:
        self.ledger = Ledger(self.database)
        self.fleet = Fleet(self.ledger, self.clock, "boot")
        document = read_quota_document(DOCUMENT)
        self.capacity = Capacity(document, self.ledger, self.fleet, self.clock)

    def clock(self) -> datetime:
        return self.now

    def hold(self, *records: SliceRecord) -> None:
        self.ledger.apply(Change(gpus=(GPU,), slices=records), self.now)

    def release(self, *names: str) -> None:
        self.ledger.apply(Change(released=tuple(map(SliceId, names))), self.now)

    def report(self, meter: BudgetMeter, *, passes: float = 5, **reports: Any) -> None:
        """Let time pass; then the agent reports, of each slice by its name."""
        self.now += timedelta(seconds=passes)
        view = NodeView(NodeId("node-a"), "boot", "0", 1)
        view.gpus = {GPU.gpu_id: a_gpu()}
        view.slices = {SliceId(name): a_report(name, **said) for name, said in reports.items()}
        meter.take(view)

    def rows(self) -> list[ChargedHour]:
        return list(self.store.since(START - timedelta(days=1)))

    def held_us(self, owner: str) -> Counter[HeldKind]:
        """How long an owner held slices, by kind."""
        held: Counter[HeldKind] = Counter()
        for row in self.rows():
            if row.owner == owner:
                held[row.time.kind] += row.time.held_us
        return held


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = migrated_ledger(tmp_path / "ledger.sqlite")
    yield Desk(database)
    database.close()


def with_card_open(desk: Desk) -> None:
    """The card's agent is here: guarantees are in force."""
    view = desk.fleet.connected(Hello(node="node-a", boot_id="boot", version="0"), 1)
    view.gpus = {GPU.gpu_id: a_gpu()}
    view.seen_at = desk.now
    desk.capacity.reported(view)


def test_time_is_used_while_the_gpu_computes_and_idle_else(desk: Desk) -> None:
    meter = desk.start()
    desk.hold(a_slice("a", "ada"))
    desk.report(meter, a={"gpu_busy_ms": 1000})
    desk.report(meter, a={"gpu_busy_ms": 3000})
    desk.report(meter, a={"gpu_busy_ms": 3000})
    meter.store_at_end()
    assert desk.held_us("ada") == {HeldKind.USED: 2 * S, HeldKind.IDLE: 13 * S}


@pytest.mark.parametrize(
    ("report", "kind"),
    [
        ({}, HeldKind.IDLE),
        ({"state": SliceState.SUSPENDED}, HeldKind.SUSPENDED),
        ({"lent_to": ("j",)}, HeldKind.LENT),
        ({"state": SliceState.SUSPENDED, "lent_to": ("j",)}, HeldKind.LENT),
    ],
)
def test_each_stretch_is_of_the_kind_that_the_agent_tells(
    desk: Desk, report: dict[str, Any], kind: HeldKind
) -> None:
    meter = desk.start()
    desk.hold(a_slice("a", "ada"))
    desk.report(meter, a=report)
    meter.store_at_end()
    assert desk.held_us("ada") == {kind: 5 * S}


def test_a_slice_counts_as_the_part_of_its_card_that_it_is(desk: Desk) -> None:
    meter = desk.start()
    desk.hold(a_slice("a", "ada", compute_milli=250))
    desk.report(meter, a={})
    meter.store_at_end()
    (row,) = desk.rows()
    assert (row.time.card_us, row.payer, row.model) == (5 * S // 4, "lab", "Simulated")


def test_what_a_gpu_computed_as_a_report_came_late_counts_in_the_next_stretch(desk: Desk) -> None:
    meter = desk.start()
    desk.hold(a_slice("a", "ada"))
    busy_ms = 1
    for passes, more_ms in ((5, 0), (5, 5500), (6, 5500), (5, 5000)):
        busy_ms += more_ms
        desk.report(meter, passes=passes, a={"gpu_busy_ms": busy_ms})
    meter.store_at_end()
    assert desk.held_us("ada") == {HeldKind.IDLE: 5 * S, HeldKind.USED: 16 * S}


def test_an_entitled_slice_is_told_from_a_borrowed_one(desk: Desk) -> None:
    meter = desk.start()
    desk.hold(a_slice("a", "ada"), a_slice("b", "ben", "free"))
    with_card_open(desk)
    desk.report(meter, a={}, b={})
    meter.store_at_end()
    assert {row.owner: row.time.entitled for row in desk.rows()} == {"ada": True, "ben": False}


def test_a_job_within_a_guarantee_is_told_from_a_borrowed_one(desk: Desk) -> None:
    meter = desk.start()
    job = {"holder": Holder.JOB, "compute_milli": 400}
    desk.hold(
        a_slice("j", "ada", **job, job_id=JobId("j"), entitled=1),
        a_slice("k", "ben", **job, job_id=JobId("k"), entitled=0),
    )
    desk.report(meter, j={}, k={})
    meter.store_at_end()
    assert {row.owner: row.time.entitled for row in desk.rows()} == {"ada": True, "ben": False}


def test_guests_pay_by_their_own_budget_for_their_part_of_the_room(desk: Desk) -> None:
    meter = desk.start()
    job = {"holder": Holder.JOB, "job_id": JobId("job-1"), "compute_milli": 400}
    desk.hold(a_slice("a", "ada"), a_slice("b", "ben"), a_slice("j", "eve", "poor", **job))
    lent = {"lent_to": ("j",)}
    desk.report(meter, a=lent, b=lent, j={})
    meter.store_at_end()
    paid = {row.owner: row.time.paid_us for row in desk.rows()}
    each = int(5 * S * Fraction(400, 1000) * Fraction(1, 4) / 2)
    assert paid == {"ada": each, "ben": each, "eve": 0}


@pytest.mark.parametrize(
    ("group", "state"), [("free", SliceState.RESIDENT), ("poor", SliceState.SUSPENDED)]
)
def test_a_guest_without_a_budget_or_off_the_card_pays_nothing(
    desk: Desk, group: str, state: SliceState
) -> None:
    meter = desk.start()
    job = {"holder": Holder.JOB, "job_id": JobId("job-1")}
    desk.hold(a_slice("a", "ada"), a_slice("j", "eve", group, **job))
    desk.report(meter, a={"lent_to": ("j",)}, j={"state": state})
    meter.store_at_end()
    assert {row.time.paid_us for row in desk.rows()} == {0}


def test_a_slice_is_counted_to_its_end(desk: Desk) -> None:
    meter = desk.start()
    desk.hold(a_slice("a", "ada"))
    desk.report(meter, a={})
    desk.now += timedelta(seconds=3)
    desk.release("a")
    desk.now += timedelta(seconds=60)
    meter.store_at_end()
    assert desk.held_us("ada") == {HeldKind.IDLE: 8 * S}


def test_a_slice_whose_agent_is_silent_counts_as_it_was_seen_last(desk: Desk) -> None:
    meter = desk.start()
    desk.hold(a_slice("a", "ada"))
    desk.report(meter, a={"state": SliceState.SUSPENDED})
    desk.now += timedelta(hours=2)
    meter.store_at_end()
    assert desk.held_us("ada") == {HeldKind.SUSPENDED: 7205 * S}


def test_a_guaranteed_slice_stays_so_while_its_agent_is_away_be_the_service_new_or_not(
    desk: Desk,
) -> None:
    desk.hold(a_slice("a", "ada", entitled=1, entitled_in_force=1))
    for meter in (desk.start(), desk.start()):
        desk.now += timedelta(minutes=8)
        meter.store_at_end()
    with_card_open(desk)
    desk.report(meter, a={})
    desk.capacity.holdings.remove_gpu(GPU.gpu_id)
    desk.now += timedelta(minutes=8)
    meter.store_at_end()
    assert {row.time.entitled for row in desk.rows()} == {True}


def test_time_is_counted_in_the_hours_in_which_it_was(desk: Desk) -> None:
    meter = desk.start()
    desk.hold(a_slice("a", "ada"))
    desk.now += timedelta(hours=2)
    meter.store_at_end()
    hours = {row.hour.hour: row.time.held_us for row in desk.rows()}
    assert hours == {9: 50 * 60 * S, 10: 3600 * S, 11: 10 * 60 * S}


def test_who_pays_and_how_large_it_is_counts_from_the_change_on(desk: Desk) -> None:
    meter = desk.start()
    desk.hold(a_slice("a", "ada"))
    desk.now += timedelta(seconds=10)
    desk.hold(a_slice("a", "ada", "poor", compute_milli=1000))
    desk.now += timedelta(seconds=20)
    meter.store_at_end()
    assert {row.payer: row.time.card_us for row in desk.rows()} == {"lab": 5 * S, "poor": 20 * S}


def test_nothing_is_left_out_or_counted_twice_when_the_service_is_killed(desk: Desk) -> None:
    meter = desk.start()
    desk.hold(a_slice("a", "ada"), a_slice("b", "ben"))
    desk.report(meter, a={}, b={})
    desk.now += timedelta(seconds=3)
    meter.store_at_end()
    desk.report(meter, a={}, b={})
    again = desk.start()
    desk.report(again, passes=600, a={})
    again.store_at_end()
    total = (desk.now - START) // timedelta(microseconds=1)
    assert [sum(desk.held_us(owner).values()) for owner in ("ada", "ben")] == [total, total]


def test_what_was_held_before_budgets_were_metered_is_charged_to_nobody(desk: Desk) -> None:
    desk.hold(a_slice("a", "ada"))
    desk.now += timedelta(days=3)
    meter = desk.start()
    desk.now += timedelta(seconds=7)
    meter.store_at_end()
    assert desk.held_us("ada") == {HeldKind.IDLE: 7 * S}


def test_what_was_stored_is_told_once(desk: Desk) -> None:
    meter, told = desk.start(), []
    meter.listen(told.extend)
    desk.hold(a_slice("a", "ada"))
    desk.report(meter, a={})
    meter.store_at_end()
    assert told == desk.rows()
    meter.store_at_end()
    assert told == desk.rows()


_STEPS = st.one_of(
    st.tuples(
        st.just("report"),
        st.integers(1, 50_000_000),
        st.integers(0, 60_000),
        st.sampled_from([SliceState.RESIDENT, SliceState.SUSPENDED]),
        st.sampled_from([(), ("j",)]),
    ),
    st.tuples(st.sampled_from(["wait", "store", "grow"]), st.integers(0, 2 * 3600 * S)),
    st.tuples(st.just("restart")),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(_STEPS, max_size=10))
def test_held_is_used_idle_lent_and_suspended_to_the_microsecond(
    steps: list[tuple[Any, ...]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = migrated_ledger(Path(folder) / "ledger.sqlite")
        desk = Desk(database)
        meter, busy_ms = desk.start(), 1
        desk.hold(a_slice("a", "ada"))
        for name, *values in steps:
            match name, values:
                case "report", (passes_us, more_ms, state, lent_to):
                    busy_ms += more_ms
                    said = {"gpu_busy_ms": busy_ms, "state": state, "lent_to": lent_to}
                    desk.report(meter, passes=passes_us / S, a=said)
                case "restart", ():
                    meter = desk.start()
                case _, (passes_us,):
                    desk.now += timedelta(microseconds=passes_us)
                    if name == "store":
                        meter.store_at_end()
                    elif name == "grow":
                        desk.hold(a_slice("a", "ada", compute_milli=750))
        meter.store_at_end()
        database.close()
        held_us = desk.held_us("ada")
    assert sum(held_us.values()) == (desk.now - START) // timedelta(microseconds=1)
    assert held_us[HeldKind.USED] <= busy_ms * 1000


@pytest.mark.asyncio
async def test_what_is_counted_while_it_is_stored_is_stored_the_next_time(desk: Desk) -> None:
    meter = desk.start()
    desk.hold(*(a_slice(f"s{number}", "ada", compute_milli=1) for number in range(250)))
    desk.now += timedelta(seconds=10)
    storing = asyncio.create_task(meter.store())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    desk.report(meter, passes=7, **{f"s{number}": {} for number in range(0, 250, 5)})
    desk.release("s249")
    await storing
    assert desk.store.until() == START + timedelta(seconds=10)
    assert sum(desk.held_us("ada").values()) == 250 * 10 * S
    await meter.store()
    assert sum(desk.held_us("ada").values()) == 250 * 17 * S


@pytest.mark.asyncio
async def test_what_could_not_be_stored_is_the_next_time(desk: Desk) -> None:
    meter = desk.start()
    desk.hold(a_slice("a", "ada"))
    desk.now += timedelta(seconds=10)
    with closed(desk.database), pytest.raises(LedgerWriteError):
        await meter.store()
    desk.now += timedelta(seconds=5)
    await meter.store()
    assert desk.held_us("ada") == {HeldKind.IDLE: 15 * S}


@contextmanager
def closed(database: Database) -> Iterator[None]:
    """The table cannot be written."""
    with database.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE charged_hours RENAME TO gone"))
    yield
    with database.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE gone RENAME TO charged_hours"))


@pytest.mark.asyncio
async def test_who_is_cancelled_while_it_is_stored_stores_nothing_twice(desk: Desk) -> None:
    meter = desk.start()
    desk.hold(a_slice("a", "ada"))
    desk.now += timedelta(seconds=10)
    storing = asyncio.create_task(meter.store())
    for _ in range(3):
        await asyncio.sleep(0)
    storing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await storing
    meter.store_at_end()
    assert desk.held_us("ada") == {HeldKind.IDLE: 10 * S}
