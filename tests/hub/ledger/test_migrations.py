"""Migrations: ledgers of before are read as they were, on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sublet_hub.errors import ConfigurationError
from sublet_hub.ledger import ending_tables, migrations, recorded_tables
from sublet_hub.ledger.announcements import Announcement, AnnouncementStore
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.quota_revisions import QuotaRevision, QuotaRevisionStore, WrittenRevision
from sublet_hub.ledger.records import (
    Change,
    Closing,
    JobRecord,
    LendingRecord,
    SliceRecord,
)
from sublet_hub.ledger.rows import row_of_gpu, row_of_job, row_of_slice
from sublet_hub.ledger.tables import ANNOUNCEMENTS, CHARGED_HOURS, METADATA, QUOTA_REVISIONS
from sublet_hub.usage.store import METERED_BY, HourOfUse, UseStore
from sublet_quota.amounts.node_amounts import NodeAmount
from sublet_quota.names.ids import GpuId, JobId, SliceId
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode, job_clause
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.residency.snapshot import Holder

from tests.support.ledger_cases import BY_OWNER, GPU, NOW, a_job, a_slice
from tests.support.ledger_records import a_slice_record


def test_migrations_lead_to_the_tables_of_this_version(url: str, database: Database) -> None:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()
    assert differences == []
    assert recorded_tables.RECORDED_ASKS.metadata is METADATA
    assert ending_tables.EVICTIONS.metadata is METADATA
    database.migrate()


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


def _insert_a_slice_of_then(connection: sa.Connection) -> None:
    """Insert a slice, with its GPU, of which is told what the tables had columns for."""
    old = sa.MetaData()
    slices, gpus = (sa.Table(name, old, autoload_with=connection) for name in ("slices", "gpus"))
    connection.execute(sa.insert(gpus), row_of_gpu(GPU))
    row = row_of_slice(a_slice("before"))
    connection.execute(
        sa.insert(slices), {name: value for name, value in row.items() if name in slices.c}
    )


def test_of_slices_of_before_it_is_not_known_what_they_take_of_nodes(url: str) -> None:
    columns = ("takes_cpu_milli", "takes_memory_mib")
    known = replace(a_slice("known"), takes=NodeAmount(1500, 4096))
    with migrating(url) as (config, connection):
        command.upgrade(config, "0028")
        _insert_a_slice_of_then(connection)
    database = Database(url)
    database.migrate()
    ledger = Ledger(database)
    ledger.apply(Change(slices=(known,)), NOW)
    assert {each.slice_id: each.takes for each in ledger.slices.values()} == {
        "before": None,
        "known": NodeAmount(1500, 4096),
    }
    assert Ledger(database).slices == ledger.slices
    with migrating(url) as (config, connection):
        command.downgrade(config, "0028")
        found = sa.inspect(connection)
        for table in ("slices", "recorded_asks"):
            names = {column["name"] for column in found.get_columns(table)}
            assert not {*columns, "takes_of_cap_milli"} & names
    database.migrate()
    assert {each.takes for each in Ledger(database).slices.values()} == {None}
    database.close()


def test_of_slices_of_before_it_is_not_known_what_keeps_their_caps(url: str) -> None:
    kept = (("hami",), ShareKept.BY_HAMI), ((), None)
    known = [
        replace(a_slice(f"known{n}"), cap_kept_by=cap, compute_kept_by=compute)
        for n, (cap, compute) in enumerate(kept)
    ]
    with migrating(url) as (config, connection):
        command.upgrade(config, "0029")
        _insert_a_slice_of_then(connection)
    database = Database(url)
    database.migrate()
    ledger = Ledger(database)
    ledger.apply(Change(slices=tuple(known)), NOW)
    slices = Ledger(database).slices.values()
    told = {each.slice_id: (each.cap_kept_by, each.compute_kept_by) for each in slices}
    assert told == {"before": (None, None), "known0": kept[0], "known1": kept[1]}
    assert Ledger(database).slices == ledger.slices
    with migrating(url) as (config, connection):
        command.downgrade(config, "0029")
        names = {column["name"] for column in sa.inspect(connection).get_columns("slices")}
        assert not {"cap_kept_by", "compute_kept_by"} & names
    database.migrate()
    assert {each.cap_kept_by for each in Ledger(database).slices.values()} == {None}
    database.close()


def test_of_revisions_of_before_no_role_is_known(url: str) -> None:
    with migrating(url) as (config, connection):
        command.upgrade(config, "0030")
        of_then = {"revision": 1, "text": b"", "size": 0, "author": "root", "made_at": NOW}
        row = {**of_then, "reason": "x", "keys_changed": 1}
        connection.execute(sa.insert(QUOTA_REVISIONS).values(row))
    database = Database(url)
    database.migrate()
    store = QuotaRevisionStore(database)
    before = QuotaRevision(1, "root", NOW, "x", 1)
    made = QuotaRevision(2, "ada", NOW, "x", 1, "group-admin", ("science", "nlp"))
    store.add(WrittenRevision(made, ""))
    assert store.listed() == (made, before)
    with migrating(url) as (config, _):
        command.downgrade(config, "0030")
    database.migrate()
    assert [each.author for each in store.listed()] == ["ada", "root"]
    assert {each.role for each in store.listed()} == {None}
    database.close()


def test_what_was_told_before_admins_of_all_tell_and_of_groups_nothing_goes_back(url: str) -> None:
    with migrating(url) as (config, connection):
        command.upgrade(config, "0036")
        until = NOW + timedelta(days=1)
        row = {"announcement_id": "a1", "audience": "all", "text": "x", "made_by": "root"}
        connection.execute(sa.insert(ANNOUNCEMENTS).values(**row, made_at=NOW, until=until))
    database = Database(url)
    database.migrate()
    store = AnnouncementStore(database)
    before = Announcement("a1", "all", None, "x", "root", NOW, until)
    of_root = replace(before, announcement_id="a2")
    of_group = Announcement("a3", "group", "nlp", "x", "lead", NOW, until, ("science",))
    store.add(of_root, of_group)
    assert dict(AnnouncementStore(database).kept) == {"a1": before, "a2": of_root, "a3": of_group}
    with migrating(url) as (config, _):
        command.downgrade(config, "0036")
    database.migrate()
    assert dict(AnnouncementStore(database).kept) == {"a1": before, "a2": of_root}
    database.close()


def test_what_was_metered_before_is_of_the_only_group_and_model_of_its_hour(url: str) -> None:
    hours = {"ada": (("lab", "H100"),), "bob": (("lab", "H100"), ("art", "H100")), "eve": ()}
    sums = {"busy_s": 1.0, "lent_s": 2.0, "energy_mj": 3, "unmetered_s": 0.0}
    held = {"kind": "used", "entitled": True, "held_us": 1, "card_us": 1, "paid_us": 0}
    with migrating(url) as (config, connection):
        command.upgrade(config, "0031")
        before = sa.Table("use_by_hour", sa.MetaData(), autoload_with=connection)
        for owner, parts in hours.items():
            connection.execute(sa.insert(before).values(owner=owner, hour=NOW, **sums))
            for payer, model in parts:
                of_it = {"owner": owner, "payer": payer, "model": model, "hour": NOW}
                connection.execute(sa.insert(CHARGED_HOURS).values(**of_it, **held))
    database = Database(url)
    database.migrate()
    store = UseStore(database)
    store.add_use((HourOfUse("eve", NOW, energy_mj=4, payer="lab", model="A100"),))

    def energy() -> set[tuple[str, str, str, int]]:
        found = store.use_between(NOW, NOW + timedelta(hours=1), None, METERED_BY)
        return {(each.owner, each.payer, each.model, each.energy_mj) for each in found}

    of_before = {("ada", "lab", "H100", 3), ("bob", "", "", 3), ("eve", "", "", 3)}
    assert energy() == {*of_before, ("eve", "lab", "A100", 4)}
    with migrating(url) as (config, _):
        command.downgrade(config, "0031")
    database.migrate()
    assert energy() == {("ada", "lab", "H100", 3), ("bob", "", "", 3), ("eve", "", "", 7)}
    database.close()


def test_what_had_not_begun_is_not_closed_for_a_service_of_before(url: str) -> None:
    database = Database(url)
    database.migrate()
    planned = Closing(GPU.node, None, "fan", "root", NOW, drains=True, begins_at=NOW)
    Ledger(database).apply(Change(closings=(planned, planned.begun)), NOW)
    assert len(Ledger(database).closings) == 2
    with migrating(url) as (config, _):
        command.downgrade(config, "0035")
    database.migrate()
    assert list(Ledger(database).closings.values()) == [planned.begun]
    database.close()
