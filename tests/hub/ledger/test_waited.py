"""How long was waited, as the ledger's tables tell it, on SQLite and on PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.recorded import CellBlock, Happened, RecordedStore
from sublet_hub.ledger.records import Change, EventRecord, GpuRecord
from sublet_hub.ledger.waited import WaitedStore
from sublet_hub.settings import CarbonSettings
from sublet_hub.usage.buckets import Span
from sublet_hub.usage.proposed_limits import ProposedLimits
from sublet_hub.usage.recorded.stretches import Stretch, packed
from sublet_hub.usage.reports import UseQuestion, UseReports
from sublet_hub.usage.store import HourOfUse, UseStore
from sublet_hub.usage.waited import WaitedReports
from sublet_quota.document.reading import read_quota_document
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import GpuId, NodeId
from sublet_quota.wire.event_kinds import EventKind
from sublet_quota.wire.use import LimitsReport, UseKey, UseReport, WaitedReport

from tests.support.ledger_records import a_job_record, a_slice_record

pytestmark = pytest.mark.asyncio
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPAN = Span(NOON - HOUR, NOON + HOUR)
GPU = GpuRecord(GpuId("g"), NodeId("n"), 0, "NVIDIA H100", 81_920, 1024, simulated=True)
DOCUMENT = read_quota_document("gpu_types: {H100: {match: '*H100*'}}\n")


def past(database: Database) -> None:
    """Store a past: jobs that began, turns that came, cells that waited."""
    ledger = Ledger(database)
    jobs = [
        a_job_record(
            name,
            owner,
            group=group,
            state=JobState.RUNNING,
            submitted_at=NOON - wait,
            started_at=NOON,
            attempts=attempts,
        )
        for name, owner, group, wait, attempts in (
            ("j1", "ada", "lab", 60 * timedelta(seconds=1), 1),
            ("j2", "ada", "lab", timedelta(seconds=10), 1),
            ("j3", "bob", None, timedelta(seconds=0.5), 1),
            ("again", "bob", None, timedelta(days=1), 2),
        )
    ]
    slices = [
        a_slice_record("s1", "ada", GPU, group="lab", member_of=("lab",), created_at=NOON),
        a_slice_record("s2", "bob", GPU, server="b", created_at=NOON - HOUR / 2),
    ]
    turns = [
        EventRecord("e1", NOON, EventKind.QUEUE_TURN.value, slice_id="s1", owner="ada", took_s=30),
        EventRecord("e2", NOON, EventKind.QUEUE_TURN.value, slice_id="gone", owner="bob", took_s=5),
        EventRecord("old", NOON, EventKind.QUEUE_TURN.value, slice_id="s2", owner="bob"),
        EventRecord("e3", NOON, EventKind.QUEUE_LEFT.value, owner="bob", took_s=9),
    ]
    ledger.apply(Change(gpus=(GPU,), slices=tuple(slices), jobs=tuple(jobs)), NOON)
    ledger.add_events(tuple(turns))
    stretches = [
        Stretch(NOON - 2 * HOUR, timedelta(seconds=500), HOUR, 1),
        Stretch(NOON, timedelta(), HOUR, 1),
        Stretch(NOON + HOUR / 2, timedelta(seconds=4), HOUR, 1),
    ]
    block = CellBlock("s1", NOON + 2 * HOUR, packed(stretches))
    RecordedStore(database).add(Happened(cells=(block,)))


async def waited(database: Database, *by: UseKey, owner: str | None = None) -> dict[str, object]:
    body = await WaitedReports(database).report(UseQuestion(SPAN, by, owner))
    report = WaitedReport.model_validate_json(body)
    return {
        " ".join((row.kind, *row.of.values())): (row.count, row.median_s, row.p95_s, row.at_once)
        for row in report.rows
    }


async def test_what_was_waited_for_is_told_with_median_and_95th(database: Database) -> None:
    past(database)
    assert await waited(database) == {
        "notebook": (2, 5, 30, 0),
        "job": (3, 10, 60, 1),
        "cell": (2, 0, 4, 1),
    }


async def test_waits_are_told_by_group_owner_and_time(database: Database) -> None:
    past(database)
    by_group = await waited(database, UseKey.GROUP)
    assert by_group["notebook lab"] == (1, 30, 30, 0)
    assert by_group["notebook "] == (1, 5, 5, 0)
    assert by_group["job lab"] == (2, 10, 60, 0)
    by_time = await waited(database, UseKey.OWNER, UseKey.HOUR)
    assert by_time["cell ada 2026-11-24T12:00+00:00"] == (2, 0, 4, 1)


async def test_one_owners_waits_are_theirs_alone(database: Database) -> None:
    past(database)
    assert await waited(database, UseKey.OWNER, owner="bob") == {
        "notebook bob": (1, 5, 5, 0),
        "job bob": (1, 0.5, 0.5, 1),
    }
    assert list(WaitedStore(database).cells(SPAN.since, SPAN.until, "bob")) == []


async def test_limits_are_found_by_group_and_type(database: Database) -> None:
    past(database)
    limits = ProposedLimits(database, lambda: DOCUMENT)
    report = LimitsReport.model_validate_json(await limits.report(SPAN, 10, as_csv=False))
    found = {(each.group, each.gpu_type, each.of_each): each for each in report.limits}
    assert set(found) == {
        (group, gpu_type, of_each)
        for group in ("lab", None)
        for gpu_type in (None, "H100")
        for of_each in (False, True)
    }
    of_lab = found["lab", "H100", False]
    assert (of_lab.most, of_lab.held_hours) == (0.1, 0.1)
    assert of_lab.cards == pytest.approx(0.09)
    assert report.refused_percent == 10


async def test_one_owners_use_is_theirs_alone_with_what_it_came_to_in_carbon(
    database: Database,
) -> None:
    past(database)
    store = UseStore(database)
    used = [HourOfUse(owner, NOON, busy_s=36, energy_mj=3_600_000_000) for owner in ("ada", "bob")]
    store.add_use(used)
    carbon = CarbonSettings(400, 1.5, "the grid", NOON.date())
    reports = UseReports(database, store, lambda: DOCUMENT, carbon)
    by = (UseKey.OWNER, UseKey.DAY)
    body = await reports.report(UseQuestion(SPAN, by, "ada"))
    report = UseReport.model_validate_json(body)
    (row,) = report.rows
    assert (row.of["owner"], row.busy_hours) == ("ada", 0.01)
    assert (row.energy_wh, row.carbon_g) == (1000, 600)
    assert report.carbon is not None
    assert (report.carbon.source, report.carbon.as_of) == ("the grid", NOON.date())
    everybody = await reports.report(UseQuestion(SPAN, by))
    assert len(UseReport.model_validate_json(everybody).rows) == 2
