"""The ledger: memory and database agree, also when the database refuses.

The same suite runs on SQLite and on a real PostgreSQL.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sublet_hub.errors import ConfigurationError
from sublet_hub.jobs import changes
from sublet_hub.ledger.database import Database, EventQuery, LedgerReadError, LedgerWriteError
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import (
    Change,
    Closing,
    EventRecord,
    LendingRecord,
    StartedProcess,
)
from sublet_hub.ledger.rows import job_of_row, row_of_job
from sublet_quota.jobs.turns.past_uses import LagWrittenOff
from sublet_quota.life_cycles.job_states import JobMove, JobState
from sublet_quota.names.ids import GpuId, GroupName, JobId, NodeId, SliceId, UserName
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode, job_clause
from sublet_quota.residency.snapshot import Holder
from sublet_quota.shares.group_tree import NodeName

from tests.support.ledger_cases import BY_OWNER, GPU, NOW, a_job, a_slice, held


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


def test_what_will_be_closed_is_not_until_then_also_after_a_restart(database: Database) -> None:
    begins_at = NOW + timedelta(hours=2)
    node = Closing(GPU.node, None, "move", "root", NOW, drains=True, begins_at=begins_at)
    card = replace(node, gpu_id=GPU.gpu_id, begins_at=begins_at + timedelta(hours=1))
    closed = Closing(GPU.node, None, "fan", "root", NOW)
    Ledger(database).apply(Change(gpus=(GPU,), closings=(node, card, closed)), NOW)
    again = Ledger(database)
    assert again.closing_of(GPU) == closed
    assert again.planned_closing_of(GPU) == node
    again.apply(Change(closings=(node.begun,), opened=(node.place,)), begins_at)
    last = Ledger(database)
    assert last.closing_of(GPU) == replace(node, closed_at=begins_at, begins_at=None)
    assert last.planned_closing_of(GPU) == card


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
