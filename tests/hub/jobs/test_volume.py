"""Logs and events keep to their budgets, and leave the ledger its room on the disk."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sublet_hub.jobs.log_retention import keep_within
from sublet_hub.ledger import event_retention
from sublet_hub.ledger.database import Database, EventQuery
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import EventRecord
from sublet_hub.settings import VolumeBudget
from sublet_hub.state.job_files import JobFiles
from sublet_quota.names.ids import JobId
from sublet_quota.wire.event_kinds import EventKind

from tests.support.hub_world import FakeHub, hub_world, settings_for, until
from tests.support.job_owner import make_ada

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
JOBS = [JobId(name) for name in ("oldest", "older", "newest", "runs")]


@pytest.fixture
def files(tmp_path: Path) -> JobFiles:
    """Four jobs with logs of 10,000 bytes, each written later than the one before."""
    made = JobFiles(tmp_path / "jobs")
    for age, job_id in enumerate(reversed(JOBS)):
        made.prepare(job_id, {})
        log = made.log_path(job_id)
        log.write_bytes(b"x" * 10_000)
        os.utime(log, (NOW.timestamp() - age, NOW.timestamp() - age))
    return made


@pytest.mark.parametrize(
    ("most_bytes", "kept", "mark"),
    [
        (40_000, {"oldest", "older", "newest", "runs"}, set()),
        (39_999, {"older", "newest", "runs"}, set()),
        (20_000, {"newest", "runs"}, set()),
        (10_000, {"runs"}, set()),
        (9_999, {"runs"}, {".no-room-for-logs"}),
    ],
)
def test_of_too_many_logs_the_oldest_of_ended_jobs_go_and_then_none_is_written_on(
    files: JobFiles, most_bytes: int, kept: set[str], mark: set[str]
) -> None:
    keep_within(files, {JOBS[-1]}, most_bytes)
    assert {job for job in JOBS if files.bytes_kept(job) == 10_000} == kept
    for job_id in set(JOBS) - kept:
        assert files.read_log(JobId(job_id), 0, ended=True).text.startswith("[This log was deleted")
    assert {path.name for path in files.folder.iterdir()} == {*JOBS, *mark}


def test_logs_are_written_again_as_soon_as_there_is_room(files: JobFiles) -> None:
    keep_within(files, JOBS, 20_000)
    assert files.stop_mark.exists()
    keep_within(files, JOBS[2:], 20_000)
    assert not files.stop_mark.exists()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    database = Database(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    database.migrate()
    yield Ledger(database)
    database.close()


def test_of_too_many_events_the_oldest_go_some_at_a_time(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_retention, "MOST_AT_ONCE", 4)
    # Told in any order, and some of them of the same moment.
    times = [NOW + timedelta(seconds=n // 2) for n in range(20)]
    events = [EventRecord(f"e{n:02}", at, "suspended") for n, at in enumerate(times)]
    ledger.add_events(tuple(reversed(events)))
    gone = [ledger.forget_surplus_events(11) for _ in range(4)]
    assert gone == [4, 4, 1, 0]
    left = ledger.events(EventQuery(None, None, 100))
    assert sorted(event.event_id for event in left) == [f"e{n:02}" for n in range(9, 20)]


@pytest.mark.asyncio
async def test_a_service_keeps_so_many_events_and_no_more(tmp_path: Path, hub: FakeHub) -> None:
    settings = replace(settings_for(tmp_path), volume=VolumeBudget(events_kept=5))
    async with hub_world(tmp_path, hub) as world:
        for n in range(20):
            at = NOW + timedelta(seconds=n)
            world.service.ledger.add_events((EventRecord(f"e{n}", at, "suspended"),))
    query = EventQuery(None, None, 100, EventKind.SUSPENDED)
    async with hub_world(tmp_path, hub, settings) as world:
        await until(lambda: len(world.service.ledger.events(query)) <= 5)


@pytest.mark.asyncio
async def test_while_the_disk_is_nearly_full_new_jobs_are_refused_and_the_ledger_goes_on(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        ada = await make_ada(world)
        job_id = await ada.submit(["write", "began", "pid"], ["wait", "go"])
        await ada.until_file("began")
    settings = settings_for(tmp_path)
    full = replace(settings, volume=VolumeBudget(keep_free_bytes=2**62))
    async with hub_world(tmp_path, hub, full) as world:
        ada.world, ada.agent = world, await world.agent()
        status, problem = await ada.post()
        assert (status, problem["reason"]) == (409, "no-disk")
        assert "disk is nearly full" in problem["message"]
        assert problem["numbers"]["kept_mib"] == 2**42
        status, forecast = await world.call(
            "POST", "jobs/forecast", ada.token, {"notebook": "train.ipynb"}
        )
        assert (status, forecast["allowed"]) == (200, False)
        assert forecast["problem"]["reason"] == "no-disk"
        (ada.home / "go").touch()
        assert (await ada.until_ended(job_id))["state"] == "done"
        await world.slice_for("ben", memory_mib=1000, compute_milli=100)
        assert (await world.call("GET", "events", ada.token))[0] == 200
