"""Logs and events keep to their budgets, and leave the ledger its room on the disk."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sublet_hub.jobs.log_retention import OwnersOfLogs, keep_within
from sublet_hub.ledger import event_retention
from sublet_hub.ledger.database import EventQuery
from sublet_hub.ledger.fair_share import fair_share
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import EventRecord
from sublet_hub.settings import VolumeBudget
from sublet_hub.state.job_files import JobFiles
from sublet_quota.names.ids import JobId, UserName
from sublet_quota.wire.event_kinds import EventKind

from tests.support.hub_world import FakeHub, hub_world, settings_for, until
from tests.support.job_owner import make_ada
from tests.support.migrated_ledger import migrated_ledger

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


ALL_ADAS: dict[JobId, UserName] = dict.fromkeys(JOBS, UserName("ada"))


def keep(
    files: JobFiles,
    live: Collection[JobId],
    most_bytes: int,
    owners: Mapping[JobId, UserName] = ALL_ADAS,
) -> set[str]:
    """Return whose logs are whole."""
    keep_within(files, files.logs(), OwnersOfLogs(owners, live), most_bytes)
    return {job for job in owners if files.bytes_kept(job) >= 10_000}


@pytest.mark.parametrize(
    ("most_bytes", "kept", "stopped"),
    [
        (40_000, {"oldest", "older", "newest", "runs"}, ""),
        (39_999, {"older", "newest", "runs"}, ""),
        (20_000, {"newest", "runs"}, ""),
        (10_000, {"runs"}, ""),
        (9_999, {"runs"}, "its owner's"),
        (7_999, {"runs"}, "all"),
    ],
)
def test_of_too_many_logs_the_oldest_of_ended_jobs_go_and_then_none_is_written_on(
    files: JobFiles, most_bytes: int, kept: set[str], stopped: str
) -> None:
    assert keep(files, {JOBS[-1]}, most_bytes) == kept
    for job_id in set(JOBS) - kept:
        assert files.read_log(JobId(job_id), 0, ended=True).text.startswith("[This log was deleted")
    assert files.is_stopped(JOBS[-1]) == bool(stopped)
    assert files.stop_mark.exists() == (stopped == "all")


def test_logs_are_written_again_as_soon_as_there_is_room(files: JobFiles) -> None:
    keep(files, JOBS, 20_000)
    assert files.stop_mark.exists()
    keep(files, JOBS[2:], 20_000)
    assert not any(files.is_stopped(job_id) for job_id in JOBS[2:])


def test_what_is_no_jobs_folder_keeps_no_log_from_being_found(files: JobFiles) -> None:
    (files.folder / "README").write_text("left here by hand")
    (files.folder / "gone").symlink_to("nowhere")
    assert {log.job_id for log in files.logs() if log.bytes} == set(JOBS)
    assert keep(files, (), 10_000) == {JOBS[-1]}


def test_one_owners_running_jobs_cost_no_other_a_log_and_stop_nobody_elses(
    tmp_path: Path,
) -> None:
    files, owners = JobFiles(tmp_path), dict[JobId, UserName]()
    for number in range(12):
        owner = "mal" if number < 8 else f"user{number}"
        for state in ("ended", "runs"):
            job_id = JobId(f"{state}-{number}")
            owners[job_id] = UserName(owner)
            files.prepare(job_id, {})
            files.log_path(job_id).write_bytes(b"x" * (10_000 if state == "ended" else 20_000))
    live = [job_id for job_id in owners if job_id.startswith("runs")]
    theirs = {job_id for job_id, owner in owners.items() if owner == "mal"}
    kept = keep(files, live, 270_000, owners)
    assert kept == set(owners) - {job_id for job_id in theirs if job_id.startswith("ended")}
    assert {job_id for job_id in live if files.is_stopped(job_id)} == theirs & set(live)


def test_who_has_the_most_gives_up_their_oldest_logs_and_no_more_than_is_needed(
    files: JobFiles,
) -> None:
    owners = {**ALL_ADAS, JOBS[0]: UserName("ben")}
    assert keep(files, (), 30_000, owners) == {"oldest", "newest", "runs"}


def test_the_logs_of_jobs_that_nobody_knows_count_as_one_owners(files: JobFiles) -> None:
    assert keep(files, (), 20_000, {JOBS[0]: UserName("ben")}) == {"oldest"}
    assert [files.bytes_kept(job_id) >= 10_000 for job_id in JOBS] == [True, False, False, True]


@pytest.mark.parametrize(
    ("amounts", "most", "expected"),
    [
        ((), 10, 10),
        ((4, 6), 10, 10),
        ((4, 7), 10, 6),
        ((100, 1, 2), 10, 7),
        ((100, 100, 1), 10, 4),
        ((5, 5, 5), 10, 3),
        ((5,), -3, 0),
    ],
)
def test_a_share_is_what_those_who_have_less_leave(
    amounts: tuple[int, ...], most: int, expected: int
) -> None:
    assert fair_share(amounts, most) == expected


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    database = migrated_ledger(tmp_path / "ledger.sqlite")
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


def test_a_node_that_tells_very_much_makes_nobody_elses_events_be_forgotten(
    ledger: Ledger,
) -> None:
    def told(name: str, number: int, kind: EventKind, **whose: str) -> list[EventRecord]:
        times = (NOW + timedelta(seconds=n) for n in range(number))
        return [
            EventRecord(f"{name}{n:02}", at, kind, **whose)  # type: ignore[arg-type]
            for n, at in enumerate(times)
        ]

    kept = (
        *told("switched", 5, EventKind.LENDING_SWITCHED),
        *told("honest", 3, EventKind.SUSPENDED, node="n2", owner="ada"),
        *told("job", 4, EventKind.JOB_ENDED, owner="ada"),
        *told("connected", 2, EventKind.AGENT_CONNECTED, node="n2"),
    )
    flood = told("flood", 40, EventKind.SUSPENDED, node="n1", owner="ada")
    ledger.add_events((*kept, *flood))
    assert ledger.forget_surplus_events(20) == 34
    assert ledger.forget_surplus_events(20) == 0
    left = {event.event_id for event in ledger.events(EventQuery(None, None, 100))}
    assert left == {*(event.event_id for event in kept), *(f"flood{n}" for n in range(34, 40))}


def test_an_owner_who_causes_very_much_loses_their_own_events_alone(ledger: Ledger) -> None:
    events = [
        EventRecord(f"{owner}{n}", NOW + timedelta(seconds=n), EventKind.JOB_ENDED, owner=owner)
        for owner, number in (("ada", 3), ("mal", 30))
        for n in range(number)
    ]
    ledger.add_events(tuple(events))
    assert ledger.forget_surplus_events(10) == 23
    owners = Counter(event.owner for event in ledger.events(EventQuery(None, None, 100)))
    assert owners == {"ada": 3, "mal": 7}


def test_what_concerns_everybody_is_forgotten_by_its_age_alone(ledger: Ledger) -> None:
    events = [EventRecord(f"e{n}", NOW, EventKind.LENDING_SWITCHED) for n in range(5)]
    ledger.add_events(tuple(events))
    assert ledger.forget_surplus_events(2) == 0


@pytest.mark.asyncio
async def test_a_service_keeps_so_many_events_and_no_more(tmp_path: Path, hub: FakeHub) -> None:
    settings = replace(settings_for(tmp_path), volume=VolumeBudget(events_kept=5))
    async with hub_world(tmp_path, hub) as world:
        # Of today: what is months old the service forgets however many there are.
        now = world.service.now()
        for n in range(20):
            at = now + timedelta(seconds=n)
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
