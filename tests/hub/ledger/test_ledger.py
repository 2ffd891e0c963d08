"""The ledger: memory and database agree, also when the database refuses.

The same suite runs on SQLite and on a real PostgreSQL.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.exc import OperationalError
from sublet_hub.errors import ConfigurationError
from sublet_hub.jobs import changes
from sublet_hub.ledger import ended_jobs as ended_jobs_module
from sublet_hub.ledger import migrations
from sublet_hub.ledger.database import Database, EventQuery, LedgerReadError, LedgerWriteError
from sublet_hub.ledger.ended_jobs import EndedJob
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import (
    Change,
    Closing,
    EventRecord,
    GpuRecord,
    JobRecord,
    LendingRecord,
    SliceRecord,
    StartedProcess,
)
from sublet_hub.ledger.rows import job_of_row, row_of_gpu, row_of_job, row_of_slice
from sublet_hub.ledger.tables import METADATA
from sublet_hub.usage.store import HourOfUse, UseStore
from sublet_quota.jobs.turns.past_uses import LagWrittenOff
from sublet_quota.life_cycles.job_states import JobMove, JobState
from sublet_quota.names.ids import GpuId, GroupName, JobId, NodeId, SliceId, UserName
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode, job_clause
from sublet_quota.residency.snapshot import Holder
from sublet_quota.shares.group_tree import NodeName

from tests.support.ledger_records import a_job_record, a_slice_record

NOW = datetime(2026, 11, 24, 9, 30, 0, 123456, tzinfo=UTC)
GPU = GpuRecord(GpuId("SIM-0"), NodeId("node-a"), 0, "Simulated", 81920, 1024, simulated=True)
BY_OWNER = JobReason(JobReasonCode.CANCELLED)


def a_slice(slice_id: str = "s1", owner: str = "ada", server: str = "") -> SliceRecord:
    kept_until = NOW + timedelta(hours=1)
    values = {"group": GroupName("lab"), "server": server, "created_at": NOW}
    values |= {"kept_until": kept_until}
    return a_slice_record(slice_id, owner, GPU, **values)


def a_job(job_id: str = "j1") -> JobRecord:
    return a_job_record(
        job_id,
        "ada",
        groups=("lab",),
        parameters={"rate": 0.5, "layers": [1, None, True]},
        kernel="python3",
        submitted_at=NOW,
    )


def test_migrations_lead_to_the_tables_of_this_version(url: str, database: Database) -> None:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()
    assert differences == []
    database.migrate()


def test_what_was_applied_is_there_after_a_restart(database: Database) -> None:
    ledger = Ledger(database)
    job = a_job()
    record = replace(a_slice("s2"), holder=Holder.JOB, job_id=job.job_id, kept_until=None)
    ledger.apply(Change(gpus=(GPU,), slices=(a_slice(),)), NOW)
    ledger.apply(changes.submitted(job), NOW)
    ledger.apply(changes.placed(job, record, 1.0, NOW), NOW)
    process = StartedProcess("boot", 4711, 1764000000.25)
    placed = ledger.jobs[job.job_id]
    ledger.apply(changes.started(placed, record, process, "/out.ipynb", NOW), NOW)
    again = Ledger(database)
    assert dict(again.slices) == dict(ledger.slices)
    assert dict(again.jobs) == dict(ledger.jobs)
    assert again.jobs[job.job_id].process == process
    assert dict(again.gpus) == {GPU.gpu_id: GPU}


def test_why_by_whom_and_when_lending_was_switched_is_there_after_a_restart(
    database: Database,
) -> None:
    assert Ledger(database).lending_record == LendingRecord()
    off = LendingRecord(on=False, reason="driver update", switched_by="root", switched_at=NOW)
    Ledger(database).apply(Change(lending=off), NOW)
    again = Ledger(database)
    assert (again.lending_record, again.lending) == (off, False)


def test_what_is_drawn_for_groups_is_kept_and_another_in_another_ledger(
    database: Database, tmp_path: Path
) -> None:
    drawn = Ledger(database).groups_drawn
    assert Ledger(database).groups_drawn == drawn > 0
    other = Database(f"sqlite:///{tmp_path}/other.sqlite")
    other.migrate()
    assert Ledger(other).groups_drawn != drawn
    other.close()


@contextmanager
def migrating(url: str) -> Iterator[tuple[Config, sa.Connection]]:
    """What Alembic's commands take, and the connection that they use."""
    engine = sa.create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        yield config, connection
    engine.dispose()


OF_PAYERS = (
    "group",
    "named",
    "member_of",
    "called_back_since",
    "called_back_for",
    "before_until",
    "before_steps",
    "entitled",
    "entitled_in_force",
    "lot",
)


def as_before_payers(record: SliceRecord, *groups: str, **values: object) -> dict[str, object]:
    """The row of a slice of a service that charged it to all groups of its owner."""
    row = {name: value for name, value in row_of_slice(record).items() if name not in OF_PAYERS}
    return {**row, "groups": list(groups), **values}


def test_of_before_there_was_one_payer_the_only_group_is_it(url: str) -> None:
    groups = {"none": (), "one": ("büro",), "two": ("lab", "büro")}
    with migrating(url) as (config, connection):
        command.upgrade(config, "0013")
        old = sa.MetaData()
        slices, periods, gpus = (
            sa.Table(name, old, autoload_with=connection)
            for name in ("slices", "held_periods", "gpus")
        )
        connection.execute(sa.insert(gpus), row_of_gpu(GPU))
        for name, theirs in groups.items():
            row = as_before_payers(a_slice(name, name), *theirs)
            connection.execute(sa.insert(slices), row)
            about = {"node": GPU.node, "gpu_type": GPU.type, "usable_mib": 1, "began_at": NOW}
            of_period = {key: value for key, value in row.items() if key in periods.columns}
            connection.execute(sa.insert(periods), {**of_period, **about})
    for _ in range(2):
        database = Database(url)
        database.migrate()
        found = Ledger(database).slices.values()
        held = list(database.held_periods(NOW, NOW + timedelta(days=1)))
        database.close()
        assert {each.slice_id: each.member_of for each in found} == groups
        expected = {"none": None, "one": "büro", "two": None}
        assert {each.slice_id: each.group for each in found} == expected
        assert {each.slice_id: each.group for each in held} == expected
        assert {(each.named, each.called_back_since, each.lot) for each in found} == {
            (False, None, 0)
        }
    with migrating(url) as (config, connection):
        command.downgrade(config, "0013")
        again = connection.execute(sa.select(slices.c.slice_id, slices.c.groups)).all()
    assert dict(map(tuple, again)) == {"none": [], "one": ["büro"], "two": []}


def test_who_pays_and_who_was_called_back_is_there_after_a_restart(database: Database) -> None:
    record = replace(
        a_slice(),
        named=True,
        member_of=("büro", "lab"),
        called_back_since=NOW,
        called_back_for=GroupName("science"),
        before_until=NOW + timedelta(days=1),
        before_steps=2,
        entitled=1,
        entitled_in_force=1,
        lot=2**62,
    )
    Ledger(database).apply(Change(gpus=(GPU,), slices=(record,)), NOW)
    assert Ledger(database).slices[record.slice_id] == record


def test_who_pays_for_a_job_and_its_lot_are_there_after_a_restart(database: Database) -> None:
    job = replace(a_job(), group=GroupName("lab"), named=True, member_of=("lab", "x"), lot=2**61)
    Ledger(database).apply(changes.submitted(job), NOW)
    assert Ledger(database).jobs[job.job_id] == job


def test_of_jobs_of_before_the_only_group_pays_and_no_run_is_endless(url: str) -> None:
    groups = {"none": (), "one": ("büro",), "two": ("lab", "büro")}
    of_payers = {"group", "named", "member_of", "lot"}
    with migrating(url) as (config, connection):
        command.upgrade(config, "0016")
        jobs = sa.Table("jobs", sa.MetaData(), autoload_with=connection)
        for name, theirs in groups.items():
            row = row_of_job(replace(a_job(name), groups=theirs))
            connection.execute(
                sa.insert(jobs), {key: each for key, each in row.items() if key not in of_payers}
            )
    database = Database(url)
    database.migrate()
    found = Ledger(database).live_jobs.values()
    database.close()
    assert {job.job_id: job.group for job in found} == {"none": None, "one": "büro", "two": None}
    assert {job.job_id: job.member_of for job in found} == groups
    assert {(job.named, job.lot, job.max_run_s) for job in found} == {(False, 0, 24 * 3600)}
    with migrating(url) as (config, _):
        command.downgrade(config, "0016")


def test_what_was_written_off_last_is_there_after_a_restart(database: Database) -> None:
    lag = LagWrittenOff(NodeName("a"), None, 5.0, NOW)
    of_ada = replace(lag, owner=UserName("ada"))
    more = replace(lag, amount=7.0, at=NOW + timedelta(hours=1))
    Ledger(database).apply(Change(written_off=(lag, of_ada)), NOW)
    Ledger(database).apply(Change(written_off=(more,)), NOW)
    ledger = Ledger(database)
    assert sorted(ledger.written_off, key=lambda each: each.amount) == [of_ada, more]
    ledger.forget_before(NOW + timedelta(minutes=1))
    assert list(Ledger(database).written_off) == [more]


def test_a_slice_that_another_group_pays_for_begins_a_period_of_its_own(
    database: Database,
) -> None:
    ledger, later = Ledger(database), NOW + timedelta(hours=1)
    ledger.apply(Change(gpus=(GPU,), slices=(a_slice(),)), NOW)
    ledger.apply(Change(slices=(replace(a_slice(), group=GroupName("büro")),)), later)
    periods = database.held_periods(NOW - timedelta(days=1), NOW + timedelta(days=1))
    assert [(each.group, each.ended_at) for each in sorted(periods, key=lambda p: p.began_at)] == [
        ("lab", later),
        ("büro", None),
    ]


def test_a_switch_from_before_reasons_were_kept_stays_as_it_was(url: str) -> None:
    with migrating(url) as (config, connection):
        command.upgrade(config, "0007")
        connection.execute(sa.text("INSERT INTO switches (name, \"on\") VALUES ('lending', FALSE)"))
    database = Database(url)
    database.migrate()
    assert Ledger(database).lending_record == LendingRecord(on=False)
    database.close()


def test_what_was_held_before_periods_were_kept_is_one_period_each_and_nothing_is_closed(
    url: str,
) -> None:
    """Among them a job's slice, one on a card that is gone, and one that is over."""
    records = {
        "held": a_slice_record("held", "ada", GPU, size="small"),
        "job": a_slice_record("job", "ada", GPU, holder=Holder.JOB, job_id=JobId("j1")),
        "over": a_slice_record("over", "bob", replace(GPU, gpu_id=GpuId("sold"))),
    }
    with migrating(url) as (config, connection):
        command.upgrade(config, "0011")
        old = sa.MetaData()
        slices = sa.Table("slices", old, autoload_with=connection)
        gpus = sa.Table("gpus", old, autoload_with=connection)
        connection.execute(sa.insert(gpus), row_of_gpu(GPU))
        for record in records.values():
            connection.execute(sa.insert(slices), as_before_payers(record, "büro"))
        ended = sa.update(slices).where(slices.c.slice_id == "over")
        connection.execute(ended.values(released_at=NOW + timedelta(hours=2)))
    for _ in range(2):
        database = Database(url)
        database.migrate()
        found = {
            each.slice_id: each for each in database.held_periods(NOW, NOW + timedelta(days=1))
        }
        ledger = Ledger(database)
        assert (set(ledger.slices), dict(ledger.closings)) == ({"held", "job"}, {})
        database.close()
    assert {name: each.ended_at for name, each in found.items()} == {
        "held": None,
        "job": None,
        "over": NOW + timedelta(hours=2),
    }
    held = found["held"]
    assert (held.group, held.gpu_type, held.node) == ("büro", GPU.type, GPU.node)
    assert (held.began_at, found["job"].job_id) == (records["held"].created_at, "j1")
    assert (found["over"].gpu_type, found["over"].usable_mib) == (None, None)
    database = Database(url)
    Ledger(database).apply(Change(released=(SliceId("held"),)), NOW + timedelta(hours=5))
    (after,) = (
        p for p in database.held_periods(NOW, NOW + timedelta(days=1)) if p.slice_id == "held"
    )
    assert after.ended_at == NOW + timedelta(hours=5)
    database.close()
    with migrating(url) as (config, _):
        command.downgrade(config, "0011")
    database.migrate()
    database.close()


SENTENCE = "attempt 1 of 2 failed: cell 3: ValueError: it's 100 % wrong"


def as_before_codes(job: JobRecord, sentence: str) -> dict[str, object]:
    """The row of a job of a service that kept its reason as a sentence."""
    row = row_of_job(job)
    for name in ("reason_code", "reason_numbers", "reason_told"):
        del row[name]
    return {**row, "reason": sentence}


def test_sentences_from_before_reasons_had_codes_are_told_as_they_were(url: str) -> None:
    with migrating(url) as (config, connection):
        command.upgrade(config, "0008")
        jobs = sa.Table("jobs", sa.MetaData(), autoload_with=connection)
        rows = [as_before_codes(a_job("j1"), SENTENCE), as_before_codes(a_job("j2"), "")]
        connection.execute(sa.insert(jobs), rows)
    database = Database(url)
    database.migrate()
    told = {job.job_id: job.reason for job in Ledger(database).jobs.values()}
    database.close()
    before = JobReasonCode.TOLD_BEFORE
    assert told == {"j1": JobReason(before, told=SENTENCE), "j2": JobReason(before)}
    assert [job_clause(told[JobId(job_id)]) for job_id in ("j1", "j2")] == [SENTENCE, ""]


def test_a_migration_that_stops_half_way_has_changed_nothing_and_is_done_by_the_next_start(
    url: str,
) -> None:
    with migrating(url) as (config, _):
        command.upgrade(config, "0008")
    database = Database(url)

    def stop(_c: object, _u: object, statement: str, *_rest: object) -> None:
        if "DROP COLUMN" in statement:
            raise sa.exc.OperationalError(statement, None, Exception("no more room"))

    sa.event.listen(database.engine, "before_cursor_execute", stop)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="no more room"):
            database.migrate()
    found = {column["name"] for column in sa.inspect(database.engine).get_columns("jobs")}
    assert "reason" in found
    assert "reason_code" not in found
    sa.event.remove(database.engine, "before_cursor_execute", stop)
    database.migrate()
    assert not Ledger(database).jobs
    database.close()


REASONS_BACK = {
    "old": (JobReason(JobReasonCode.TOLD_BEFORE, told=SENTENCE), SENTENCE),
    "runs": (JobReason(JobReasonCode.BEGUN), ""),
    "done": (JobReason(JobReasonCode.DONE), ""),
    "cancelled": (BY_OWNER, "cancelled"),
    "failed": (
        JobReason(JobReasonCode.CELL_FAILED, {"cell": 3}, "ValueError: no"),
        "cell-failed: ValueError: no",
    ),
}


def test_a_service_of_before_finds_texts_again(url: str, database: Database) -> None:
    jobs = tuple(replace(a_job(name), reason=why) for name, (why, _) in REASONS_BACK.items())
    Ledger(database).apply(Change(jobs=jobs), NOW)
    with migrating(url) as (config, connection):
        command.downgrade(config, "0008")
        found = connection.execute(sa.text("SELECT job_id, reason FROM jobs")).all()
    assert dict(map(tuple, found)) == {name: text for name, (_, text) in REASONS_BACK.items()}
    database.migrate()
    after = Ledger(database).jobs
    assert {job_clause(job.reason) for job in after.values()} == {
        text for _, text in REASONS_BACK.values()
    }


@pytest.mark.parametrize(
    "why",
    [
        JobReason(JobReasonCode.PLACED, {"gpu": 3, "node": "node-a"}),
        JobReason(JobReasonCode.CANCELLED_BY_ADMIN).under(unkilled=1),
        JobReason(JobReasonCode.UNSCHEDULABLE, told="0/3 nodes").under(
            attempt=1, of_attempts=3, begins_within_s=60, rest_s=120
        ),
    ],
)
def test_why_a_job_is_as_it_is_is_there_after_a_restart(database: Database, why: JobReason) -> None:
    Ledger(database).apply(Change(jobs=(replace(a_job(), reason=why),)), NOW)
    (job,) = Ledger(database).jobs.values()
    assert job.reason == why
    assert job_clause(job.reason) == job_clause(why)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"reason_code": "of-tomorrow", "reason_told": "oh"}, "oh"),
        ({"reason_code": "of-tomorrow", "reason_told": ""}, "of-tomorrow"),
        ({"reason_code": "exited", "reason_told": ""}, "exited"),
    ],
)
def test_a_reason_that_another_version_has_written_keeps_nobody_from_starting(
    written: dict[str, str], told: str
) -> None:
    job = job_of_row({**row_of_job(a_job()), **written})
    assert job.reason == JobReason(JobReasonCode.TOLD_BEFORE, told=told)


def test_indices_follow_slices_that_come_change_and_go(database: Database) -> None:
    ledger = Ledger(database)
    ledger.apply(Change(gpus=(GPU,), slices=(a_slice(), a_slice("s2", "bob", "x"))), NOW)
    changed = replace(a_slice(), root_pid=5)
    ledger.apply(Change(slices=(changed,)), NOW)
    assert ledger.slices_of_owner(UserName("ada")) == (changed,)
    assert len(ledger.slices_on_gpu(GPU.gpu_id)) == len(ledger.slices_on_node(GPU.node)) == 2
    assert ledger.slice_of_server(UserName("bob"), "x") == a_slice("s2", "bob", "x")
    ledger.apply(Change(released=(SliceId("s1"), SliceId("s2"))), NOW)
    assert not ledger.slices
    assert ledger.slices_on_gpu(GPU.gpu_id) == ledger.slices_on_node(GPU.node) == ()
    assert ledger.slice_of_server(UserName("bob"), "x") is None


def test_what_admins_have_closed_is_closed_after_a_restart(database: Database) -> None:
    card = Closing(GPU.node, GPU.gpu_id, "f\0an", "root", NOW, NOW + timedelta(days=1), drains=True)
    node = Closing(GPU.node, None, "move", "root", NOW)
    Ledger(database).apply(Change(gpus=(GPU,), closings=(card, node)), NOW)
    again = Ledger(database)
    assert again.closing_of(GPU) == replace(card, reason=again.closings[card.place].reason)
    assert again.closings[node.place] == node
    Ledger(database).apply(Change(closings=(replace(node, reason="other"),)), NOW)
    Ledger(database).apply(Change(opened=(card.place,)), NOW)
    assert Ledger(database).closing_of(GPU) == replace(node, reason="other")


def held(database: Database) -> list[tuple[str, int, datetime, datetime | None]]:
    """Each period of one size: whose, how much, from when to when."""
    found = database.held_periods(NOW - timedelta(days=365), NOW + timedelta(days=365))
    listed = sorted(found, key=lambda each: (each.slice_id, each.began_at))
    return [(each.slice_id, each.memory_mib, each.began_at, each.ended_at) for each in listed]


def test_hours_held_before_a_resize_stay_of_the_size_that_was_held(database: Database) -> None:
    ledger, small = Ledger(database), replace(a_slice(), created_at=NOW)
    first, second, third = (NOW + timedelta(hours=n) for n in (1, 2, 3))
    large = replace(small, memory_mib=2 * small.memory_mib)
    ledger.apply(Change(gpus=(GPU,), slices=(small,)), NOW)
    ledger.apply(Change(slices=(replace(small, wanted_since=first),)), first)
    ledger.apply(Change(slices=(large,)), second)
    assert held(database) == [
        ("s1", small.memory_mib, NOW, second),
        ("s1", large.memory_mib, second, None),
    ]
    Ledger(database).apply(Change(released=(small.slice_id,)), third)
    assert held(database)[-1] == ("s1", large.memory_mib, second, third)
    database.forget_before(third)
    assert held(database) == [("s1", large.memory_mib, second, third)]


def test_two_sizes_at_one_moment_are_the_last_of_them(database: Database) -> None:
    ledger, small = Ledger(database), replace(a_slice(), created_at=NOW)
    ledger.apply(Change(gpus=(GPU,), slices=(small,)), NOW)
    ledger.apply(Change(slices=(replace(small, memory_mib=1),)), NOW)
    ledger.apply(Change(slices=(replace(small, memory_mib=2),)), NOW)
    assert held(database) == [("s1", 2, NOW, None)]


def test_what_a_job_holds_is_its_payers(database: Database) -> None:
    ledger, job = Ledger(database), a_job()
    record = replace(a_slice("s2"), holder=Holder.JOB, job_id=job.job_id, group=GroupName("büro"))
    ledger.apply(Change(gpus=(GPU,), jobs=(job,)), NOW)
    ledger.apply(Change(slices=(record,)), NOW)
    (period,) = database.held_periods(NOW - timedelta(days=1), NOW + timedelta(days=1))
    assert (period.group, period.gpu_type) == ("büro", GPU.type)
    assert period.usable_mib == GPU.memory_mib - GPU.margin_mib


def test_slices_from_before_periods_were_kept_have_one_each(url: str) -> None:
    with migrating(url) as (config, connection):
        command.upgrade(config, "0011")
        tables = sa.MetaData()
        slices = sa.Table("slices", tables, autoload_with=connection)
        gpus = sa.Table("gpus", tables, autoload_with=connection)
        connection.execute(sa.insert(gpus), [row_of_gpu(GPU)])
        gone = replace(a_slice("s2"), gpu=replace(GPU, gpu_id=GpuId("gone")))
        rows = [as_before_payers(a_slice(), "lab"), as_before_payers(gone, released_at=NOW)]
        for row in rows:
            connection.execute(sa.insert(slices), [row])
    database = Database(url)
    database.migrate()
    found = list(database.held_periods(NOW - timedelta(days=365), NOW + timedelta(days=365)))
    first, second = sorted(found, key=lambda each: each.slice_id)
    assert (first.ended_at, first.gpu_type, first.began_at) == (
        None,
        GPU.type,
        a_slice().created_at,
    )
    assert (second.ended_at, second.gpu_type, second.usable_mib) == (NOW, None, None)
    assert (first.group, second.group) == ("lab", None)
    database.close()


def test_cards_that_are_gone_stay_so_after_a_restart(database: Database) -> None:
    ledger = Ledger(database)
    other = replace(GPU, gpu_id=GpuId("SIM-1"), node=NodeId("node-b"))
    ledger.apply(Change(gpus=(GPU, other)), NOW)
    ledger.apply(Change(gone=(other.gpu_id,)), NOW)
    assert ledger.gpus_on_node(other.node) == ()
    assert dict(ledger.gpus) == dict(Ledger(database).gpus) == {GPU.gpu_id: GPU}


def test_a_card_on_which_a_slice_is_held_is_not_forgotten(database: Database) -> None:
    ledger = Ledger(database)
    ledger.apply(Change(gpus=(GPU,), slices=(a_slice(),)), NOW)
    with pytest.raises(ValueError, match="slices are held on SIM-0"):
        ledger.apply(Change(gone=(GPU.gpu_id,)), NOW)
    assert dict(Ledger(database).slices) == dict(ledger.slices)


def test_a_change_that_the_database_refuses_changes_nothing(url: str, database: Database) -> None:
    ledger = Ledger(database)
    ledger.apply(Change(gpus=(GPU,), slices=(a_slice(),)), NOW)
    told: list[Change] = []
    ledger.listen(told.append)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE events"))
    engine.dispose()
    event = EventRecord("e1", NOW, "slice-released")
    with pytest.raises(LedgerWriteError):
        ledger.apply(Change(released=(SliceId("s1"),), events=(event,)), NOW)
    assert list(ledger.slices) == [SliceId("s1")]
    assert told == []
    assert list(Ledger(database).slices) == [SliceId("s1")]


@pytest.mark.parametrize("goes_on", [changes.went_back, changes.begins_anew])
def test_a_job_that_is_being_cancelled_is_not_begun_again(goes_on: Callable[..., Change]) -> None:
    running = replace(a_job(), state=JobState.RUNNING, slice_id=SliceId("s"), retries=3)
    asked = replace(running, cancel_asked_at=NOW, cancel_asked_by=running.owner)
    change = goes_on(asked, JobReason(JobReasonCode.EVICTED), NOW)
    assert [(j.state, j.reason) for j in change.jobs] == [(JobState.CANCELLED, BY_OWNER)]
    assert change.released == ("s",)


def test_words_with_what_the_database_does_not_take_are_stored(database: Database) -> None:
    ledger = Ledger(database)
    ledger.apply(changes.submitted(a_job()), NOW)
    evicted = JobReason(JobReasonCode.EVICTED, told="a\0b\ud800")
    back = changes.went_back(replace(a_job(), state=JobState.RUNNING), evicted, NOW)
    ledger.apply(back, NOW)
    failed = JobReason(JobReasonCode.CELL_FAILED, {"cell": 2}, "c\0d\udfff")
    ended = changes.ended(ledger.jobs[JobId("j1")], JobMove.CANCEL, NOW, failed)
    ledger.apply(ended, NOW)
    said = EventRecord("e\0", NOW, "evicted", detail="f\0")
    ledger.apply(Change(events=(said,)), NOW)
    again = Ledger(database)
    assert dict(again.jobs) == dict(ledger.jobs)
    assert again.jobs[JobId("j1")].reason == replace(failed, told="c\ufffdd\ufffd")
    assert "f\ufffd" in [event.detail for event in again.events(EventQuery(None, None, 10))]


def test_what_ended_long_ago_is_forgotten_and_nothing_else(database: Database) -> None:
    ledger = Ledger(database)
    old, waiting = a_job("old"), a_job("waiting")
    ledger.apply(Change(gpus=(GPU,), slices=(a_slice(),), jobs=(old, waiting)), NOW)
    ledger.apply(changes.ended(old, JobMove.CANCEL, NOW, BY_OWNER), NOW)
    later = NOW + timedelta(days=91)
    ledger.apply(Change(events=(EventRecord("new", later, "slice-kept"),)), later)
    assert ledger.forget_before(later - timedelta(days=90)) == (JobId("old"),)
    assert list(ledger.jobs) == [JobId("waiting")]
    assert list(ledger.slices) == [SliceId("s1")]
    assert [e.event_id for e in ledger.events(EventQuery(None, None, 10))] == ["new"]


def test_an_owner_has_so_many_ended_jobs_and_those_that_ran_stay_longest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended_jobs_module, "MOST_ENDED_JOBS", 3)
    monkeypatch.setattr(ended_jobs_module, "_NEWEST_STAY", 1)
    ledger = Ledger(database)
    told: list[JobId] = []
    ledger.listen(lambda change: told.extend(change.forgotten))
    bobs = replace(a_job("bobs"), owner=UserName("bob"))
    ledger.apply(Change(jobs=(bobs, a_job("waits"))), NOW)
    for number, name in enumerate(("ran-1", "a", "ran-2", "b", "c", "ran-3")):
        began = NOW if name.startswith("ran") else None
        job = replace(a_job(name), started_at=began)
        at = NOW + timedelta(minutes=number)
        ledger.apply(Change(jobs=(job,)), at)
        ledger.apply(changes.ended(job, JobMove.CANCEL, at, BY_OWNER), at)
    assert told == ["a", "b", "c"]
    assert set(ledger.jobs) == {"bobs", "waits", "ran-1", "ran-2", "ran-3"}
    assert dict(Ledger(database).jobs) == dict(ledger.jobs)
    assert ledger.forget_before(NOW - timedelta(days=1)) == ("a", "b", "c")
    assert ledger.forget_before(NOW - timedelta(days=1)) == ()


def test_events_are_read_page_by_page_also_those_of_one_moment(database: Database) -> None:
    ledger = Ledger(database)
    names = ("a", "B", "é", "b-1", "Z", "a/2", "_", "~")
    told = tuple(
        EventRecord(name, NOW + timedelta(seconds=number // 4), "evicted", owner="ada")
        for number, name in enumerate(names)
    )
    ledger.add_events(told)
    whole = ledger.events(EventQuery(None, "ada", 100))
    assert {event.event_id for event in whole} == set(names)
    read: tuple[EventRecord, ...] = ()
    before = None
    while page := ledger.events(EventQuery(None, "ada", 3, before=before)):
        read = (*page, *read)
        before = (page[0].at, page[0].event_id)
    assert read == whole


def test_of_jobs_that_are_over_only_what_decisions_need_is_in_memory(database: Database) -> None:
    ledger = Ledger(database)
    large = replace(a_job(), take_along=("\N{SNAKE}" * 1000,) * 4, started_at=NOW, gpus_held=0.5)
    ledger.apply(Change(jobs=(large,)), NOW)
    ledger.apply(changes.ended(large, JobMove.CANCEL, NOW, BY_OWNER), NOW)
    for each in (ledger, Ledger(database)):
        facts = each.job_facts(large.job_id)
        assert isinstance(facts, EndedJob)
        assert (facts.owner, facts.groups, facts.gpus_held) == ("ada", ("lab",), 0.5)
        assert (facts.state, facts.ended_at) == (JobState.CANCELLED, NOW)
        assert list(each.all_job_facts()) == list(each.ended_jobs_of_owner(large.owner)) == [facts]
        assert each.live_jobs_of_owner(large.owner) == ()
        (whole,) = each.newest_jobs(large.owner, None, 10)
        assert whole == each.jobs[large.job_id]
        assert (whole.take_along, whole.parameters) == (large.take_along, large.parameters)


def test_a_database_that_is_gone_cannot_be_read(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    with pytest.raises(LedgerReadError):
        database.jobs((JobId("j1"),))
    with pytest.raises(LedgerReadError):
        database.events(EventQuery(None, None, 10))
    database.close()


def test_a_database_of_another_shape_or_place_says_so(tmp_path: Path) -> None:
    (tmp_path / "not-a-database").write_text("hello " * 100)
    with pytest.raises(ConfigurationError, match="cannot be brought up to date"):
        Database(f"sqlite:///{tmp_path / 'not-a-database'}").migrate()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Database("no-such-database://x")


def test_use_is_added_to_what_its_owner_has_of_the_hour_and_begun_for_others(
    database: Database,
) -> None:
    store = UseStore(database)
    hour = datetime(2026, 11, 29, 9, tzinfo=UTC)
    before = hour - timedelta(hours=1)
    store.add_use((HourOfUse("ada", before, 1), HourOfUse("ada", hour, 2, 3, 2**40, 5)))
    store.add_use((HourOfUse("ben", hour, 7), HourOfUse("ada", hour, 10, 10, 10, 10)))
    store.add_use(())
    assert store.use_since("ada", hour) == HourOfUse("ada", hour, 12, 13, 2**40 + 10, 15)
    assert store.use_since("ada", before) == HourOfUse("ada", before, 13, 13, 2**40 + 10, 15)
    assert store.use_since("ben", before) == HourOfUse("ben", before, 7)


def test_use_that_no_column_holds_is_dropped_and_all_others_is_stored(database: Database) -> None:
    store, hour = UseStore(database), datetime(2026, 11, 29, 9, tzinfo=UTC)
    store.add_use((HourOfUse("ada", hour, 1, 0, 2**62),))
    store.add_use(
        (HourOfUse("ada", hour, 1), HourOfUse("mal", hour, 1, 1, 10**30), HourOfUse("ben", hour, 3))
    )
    assert store.use_since("ada", hour) == HourOfUse("ada", hour, 2, 0, 2**62)
    assert store.use_since("mal", hour) == HourOfUse("mal", hour)
    assert store.use_since("ben", hour) == HourOfUse("ben", hour, 3)


def test_use_of_which_a_part_failed_to_be_stored_is_added_again_and_counts_once(
    database: Database,
) -> None:
    store, hour = UseStore(database), datetime(2026, 11, 29, 9, tzinfo=UTC)
    parts = tuple(
        HourOfUse(owner, hour, 1, 1, 10**30 if owner == "mal" else 1)
        for owner in ("ada", "mal", "zoe")
    )
    tried = []

    def fail_once(*told: object) -> None:
        tried.append("zoe" in str(told[3]))
        # All together, and then that one.
        if tried[-1] and tried.count(True) == 2:
            text = ""
            raise OperationalError(text, {}, Exception())

    sa.event.listen(database.engine, "before_cursor_execute", fail_once)
    with pytest.raises(LedgerWriteError):
        store.add_use(parts)
    store.add_use(parts)
    assert store.use_since("ada", hour) == HourOfUse("ada", hour, 1, 1, 1)
    assert store.use_since("zoe", hour) == HourOfUse("zoe", hour, 1, 1, 1)
    assert store.use_since("mal", hour) == HourOfUse("mal", hour)


def test_of_too_many_events_the_newest_are_kept(database: Database) -> None:
    ledger = Ledger(database)
    times = [NOW + timedelta(seconds=n) for n in range(10)]
    ledger.add_events(tuple(EventRecord(f"e{n}", at, "idle") for n, at in enumerate(times)))
    assert [ledger.forget_surplus_events(4), ledger.forget_surplus_events(4)] == [6, 0]
    left = ledger.events(EventQuery(None, None, 100))
    assert [event.event_id for event in left] == ["e6", "e7", "e8", "e9"]


def test_of_too_many_events_those_go_whose_node_or_owner_has_the_most(database: Database) -> None:
    ledger = Ledger(database)
    numbers = {("n1", "ada", "idle"): 9, ("n2", "ada", "idle"): 2, (None, "ben", "job-ended"): 8}
    numbers |= {(None, None, "quota-loaded"): 3, (None, None, "agent-connected"): 2}
    for (node, owner, kind), number in numbers.items():
        ledger.add_events(
            tuple(
                EventRecord(f"{node}{owner}{kind}{n}", NOW, kind, node=node, owner=owner)
                for n in range(number)
            )
        )
    assert [ledger.forget_surplus_events(15), ledger.forget_surplus_events(15)] == [9, 0]
    left = ledger.events(EventQuery(None, None, 100))
    assert Counter((e.node, e.owner, e.kind) for e in left) == {
        **numbers,
        ("n1", "ada", "idle"): 4,
        (None, "ben", "job-ended"): 4,
    }
