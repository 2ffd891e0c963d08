"""A record that cannot be read stops none of the others, and what is too much is not stored."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sublet_hub.jobs import changes
from sublet_hub.ledger.database import Database, EventQuery, LedgerReadError, read_sqlite
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord, GpuRecord, LendingRecord
from sublet_hub.ledger.rows import lending_of_row
from sublet_hub.usage.store import HourOfUse, UseStore
from sublet_quota.names.ids import GpuId, NodeId
from sublet_quota.wire.event_kinds import EventKind

from tests.support.hub_world import METRICS_TOKEN, FakeHub, hub_world
from tests.support.ledger_records import a_job_record, a_slice_record
from tests.support.migrated_ledger import migrated_ledger

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
GPU = GpuRecord(GpuId("SIM-0"), NodeId("node-a"), 0, "Simulated", 81920, 1024, simulated=True)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A ledger with two of everything."""
    made = migrated_ledger(tmp_path / "ledger.sqlite")
    ledger = Ledger(made)
    slices = (a_slice_record("s1", "ada", GPU), a_slice_record("s2", "ben", GPU))
    events = tuple(EventRecord(f"e{n}", NOW, "suspended", owner="ada") for n in (1, 2))
    ledger.apply(Change(gpus=(GPU, replace(GPU, gpu_id=GpuId("SIM-1")))), NOW)
    ledger.apply(Change(slices=slices, events=events), NOW)
    ledger.apply(Change(epoch_of=(NodeId("node-a"), 3), lending=LendingRecord()), NOW)
    for job_id in ("j1", "j2"):
        ledger.apply(changes.submitted(a_job_record(job_id, "ada")), NOW)
    yield made
    made.close()


def _write(database: Database, statement: str, value: object) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text(statement), {"value": value})


@pytest.mark.parametrize(
    ("table", "column", "value", "left"),
    [
        ("slices", "memory_mib", "much", {"s2"}),
        ("slices", "holder", "nobody", {"s2"}),
        ("slices", "member_of", "{", {"s2"}),
        ("slices", "gpu_id", "SIM-9", {"s2"}),
        ("slices", "created_at", "yesterday", {"s2"}),
        ("slices", "owner", "x" * 256, {"s2"}),
        ("jobs", "state", "dreaming", {"j2"}),
        ("jobs", "parameters", "{", {"j2"}),
        ("jobs", "cells_done", 0.5, {"j2"}),
        ("jobs", "take_along", "null", {"j2"}),
    ],
)
def test_a_row_that_cannot_be_read_is_left_out_alone(
    database: Database, table: str, column: str, value: object, left: set[str]
) -> None:
    key, bad = {"slices": ("slice_id", "s1"), "jobs": ("job_id", "j1")}[table]
    _write(database, f"UPDATE {table} SET {column} = :value WHERE {key} = '{bad}'", value)  # noqa: S608
    ledger = Ledger(database)
    assert set(ledger.slices if table == "slices" else ledger.jobs) == left
    assert set(ledger.jobs if table == "slices" else ledger.slices) in ({"j1", "j2"}, {"s1", "s2"})
    assert database.unread.counts == {table: 1}


def test_events_are_read_in_order_without_the_one_that_cannot_be(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(database)
    ledger.add_events((EventRecord("e3", NOW + timedelta(seconds=1), "suspended", owner="ada"),))
    _write(database, "UPDATE events SET took_s = :value WHERE event_id = 'e2'", "long")
    with caplog.at_level(logging.ERROR, "sublet_hub"):
        for _ in range(3):
            found = ledger.events(EventQuery(None, "ada", 10, EventKind.SUSPENDED))
            assert [event.event_id for event in found] == ["e1", "e3"]
    assert [r.getMessage().count("'e2'") for r in caplog.records] == [1]
    assert database.unread.counts == {"events": 1}


def test_text_that_is_no_utf_8_keeps_nothing_from_being_read(database: Database) -> None:
    for table, column in (("events", "detail"), ("jobs", "name"), ("slices", "server")):
        _write(database, f"UPDATE {table} SET {column} = CAST(:value AS TEXT)", b"a\xffb")  # noqa: S608
    ledger = Ledger(database)
    assert {event.detail for event in ledger.events(EventQuery(None, "ada", 10))} == {"a\ufffdb"}
    assert {job.name for job in ledger.live_jobs.values()} == {"a\ufffdb"}
    assert {record.server for record in ledger.slices.values()} == {"a\ufffdb"}


def test_lending_is_off_where_nobody_can_read_how_it_was_switched(database: Database) -> None:
    _write(database, "UPDATE switches SET switched_at = :value", "yesterday")
    ledger = Ledger(database)
    assert not ledger.lending
    assert "cannot be read" in ledger.lending_record.reason


def test_a_reason_from_before_there_was_a_bound_is_shown_as_far_as_it_may_be() -> None:
    row = {"on": False, "reason": "r" * 4000, "switched_by": "root", "switched_at": NOW}
    assert lending_of_row(row).reason == "r" * 999 + "…"


def test_whoever_looks_for_what_runs_is_told_that_not_all_can_be_read(
    database: Database, tmp_path: Path
) -> None:
    _write(database, "UPDATE slices SET memory_mib = :value WHERE slice_id = 's1'", "much")
    with pytest.raises(LedgerReadError):
        read_sqlite(tmp_path / "ledger.sqlite")


def test_use_that_no_column_holds_keeps_nobody_elses_from_being_stored(database: Database) -> None:
    store, hour = UseStore(database), NOW.replace(minute=0)
    store.add_use((HourOfUse("eve", hour, 1),))
    mad = (HourOfUse("mal", hour, 1, 1, 10**30), HourOfUse("eve", hour, 1, 1, -(10**30)))
    store.add_use((HourOfUse("ada", hour, 2, 0, 7), *mad, HourOfUse("ben", hour, 3)))
    assert store.use_since("ada", hour) == HourOfUse("ada", hour, 2, 0, 7)
    assert store.use_since("ben", hour) == HourOfUse("ben", hour, 3)
    assert store.use_since("mal", hour) == HourOfUse("mal", hour)
    assert store.use_since("eve", hour) == HourOfUse("eve", hour, 1)
    assert database.unread.counts == {"use": 2}


def test_sums_of_use_beyond_64_bits_are_read(database: Database) -> None:
    store, hour = UseStore(database), NOW.replace(minute=0)
    for _ in range(3):
        store.add_use((HourOfUse("ada", hour, 1, 0, 2**62),))
        store.add_use((HourOfUse("ada", hour - timedelta(hours=1), 1, 0, 2**62),))
    assert store.use_since("ada", hour - timedelta(hours=2)).energy_mj == pytest.approx(6 * 2.0**62)


@pytest.mark.asyncio
async def test_the_service_starts_answers_and_counts_with_records_that_it_cannot_read(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        # By the service's own clock: what is months old it forgets as it starts.
        now = world.service.now()
        for number in (1, 2):
            record = EventRecord(f"e{number}", now, "suspended", owner="ada")
            world.service.ledger.add_events((record,))
        for job_id in ("j1", "j2"):
            world.service.ledger.apply(changes.submitted(a_job_record(job_id, "ada")), now)
    database = Database(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    _write(database, "UPDATE events SET bytes_mib = :value WHERE event_id = 'e1'", -1)
    _write(database, "UPDATE jobs SET cells_total = :value WHERE job_id = 'j1'", 2**40)
    _write(database, "UPDATE jobs SET parameters = :value WHERE job_id = 'j2'", json.dumps({}))
    database.close()
    async with hub_world(tmp_path, hub) as world:
        token = world.user("ada")
        status, events = await world.call("GET", "events", token)
        told = {event["event_id"] for event in events}
        assert (status, told & {"e1", "e2"}) == (200, {"e2"})
        status, jobs = await world.call("GET", "jobs", token)
        assert (status, [job["job_id"] for job in jobs]) == (200, ["j2"])
        metrics = (await world.raw("GET", "metrics", METRICS_TOKEN)).body.decode()
        assert 'sublet_records_skipped_total{kind="events"} 1.0' in metrics
        assert 'sublet_records_skipped_total{kind="jobs"} 1.0' in metrics
