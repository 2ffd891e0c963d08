"""What everybody is charged: held time, less what was lent, stood still or failed with its card."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sublet_hub.jobs import changes
from sublet_hub.jobs.order.charged_uses import ChargedUses
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, GpuRecord, JobRecord, SliceRecord
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.jobs.turns.past_uses import Payer
from sublet_quota.life_cycles.job_states import JobMove
from sublet_quota.names.ids import GpuId, GroupName, JobId, NodeId, SliceId, UserName
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode
from sublet_quota.residency.snapshot import Holder

from tests.support.fake_agent import GIB
from tests.support.ledger_records import a_job_record, a_slice_record
from tests.support.migrated_ledger import migrated_ledger
from tests.support.quota_cases import document

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LAB, LAW = GroupName("lab"), GroupName("law")
ADA = UserName("ada")
GPU = GpuRecord(GpuId("g"), NodeId("n"), 0, "NVIDIA H100", 81 * GIB, GIB, simulated=False)
TEXT = """
gpu_types: {H100: {match: "*H100*", rate: 4}}
fair_share: {half_life: 300d}
"""


@dataclass
class Books:
    """A ledger with a clock, and what is charged by it."""

    path: Path
    at: datetime = NOON
    text: str = TEXT

    def __post_init__(self) -> None:
        self.stops: dict[SliceId, datetime] = {}
        self.open()

    def open(self) -> None:
        self.database = migrated_ledger(self.path)
        self.ledger = Ledger(self.database)
        self.uses = ChargedUses(self.ledger, self.now, self.document, self.estimate, self.stops.get)

    def reopen(self) -> None:
        off = self.uses.off_times()
        self.ledger.apply(Change(off=off), self.at)
        self.uses.told(off)
        self.database.close()
        self.open()

    @property
    def document(self) -> QuotaDocument:
        return document(self.text)

    def now(self) -> datetime:
        return self.at

    def estimate(self, record: SliceRecord) -> timedelta:
        return 10 * HOUR if record.is_job else timedelta()

    def after(self, hours: float) -> None:
        self.at += hours * HOUR

    def apply(self, **values: Any) -> None:
        self.ledger.apply(Change(**values), self.at)

    def hours(self) -> dict[Payer, float]:
        """The hours of a card of rate 1 that are charged by now, to a tenth."""
        found = {payer: round(s / 3600, 1) for payer, s in self.uses.now_used()().items()}
        return {payer: hours for payer, hours in found.items() if hours}


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path / "ledger.sqlite")
    made.apply(gpus=(GPU,))
    yield made
    made.database.close()


def a_slice(books: Books, **values: Any) -> SliceRecord:
    facts = {"memory_mib": 40 * GIB, "compute_milli": 100, "group": LAB, "created_at": books.at}
    return a_slice_record("s", "ada", GPU, **{**facts, **values})


def a_placed_job(books: Books, **values: Any) -> tuple[JobRecord, SliceRecord]:
    job = a_job_record("j", "ada", group=LAB, **values)
    record = a_slice(books, holder=Holder.JOB, job_id=job.job_id)
    books.ledger.apply(changes.submitted(job), books.at)
    books.ledger.apply(changes.placed(job, record, 0.5, books.at), books.at)
    return books.ledger.jobs[job.job_id], record


def test_what_is_held_counts_by_the_rate_of_the_type_and_by_the_part_of_the_card(
    books: Books,
) -> None:
    books.apply(slices=(a_slice(books),))
    books.after(2)
    assert books.hours() == {(LAB, ADA): 4.0}
    books.apply(released=(SliceId("s"),))
    books.after(5)
    assert books.hours() == {(LAB, ADA): 4.0}


def test_compute_counts_where_it_is_the_larger_part(books: Books) -> None:
    books.apply(slices=(a_slice(books, compute_milli=1000),))
    books.after(1)
    assert books.hours() == {(LAB, ADA): 4.0}


def test_the_payer_pays_from_when_it_does_and_at_the_size_of_then(books: Books) -> None:
    books.apply(slices=(a_slice(books),))
    books.after(1)
    books.apply(slices=(a_slice(books, group=LAW, memory_mib=80 * GIB, created_at=NOON),))
    books.after(1)
    assert books.hours() == {(LAB, ADA): 2.0, (LAW, ADA): 4.0}


def test_time_in_which_a_slice_was_lent_is_not_charged(books: Books) -> None:
    books.apply(slices=(a_slice(books),))
    books.after(1)
    lent_since = books.at
    books.apply(slices=(a_slice(books, created_at=NOON, lent_since=lent_since),))
    books.after(3)
    assert books.hours() == {(LAB, ADA): 2.0}
    books.apply(slices=(a_slice(books, created_at=NOON),))
    books.after(1)
    assert books.hours() == {(LAB, ADA): 4.0}


@pytest.mark.parametrize("goes_on", ["and goes on", "and ends"])
def test_time_in_which_a_job_stood_still_is_not_charged(books: Books, goes_on: str) -> None:
    job, record = a_placed_job(books)
    books.after(10)
    began = books.stops[record.slice_id] = books.at
    books.after(4)
    if goes_on == "and goes on":
        del books.stops[record.slice_id]
        books.uses.stopped(record.slice_id, began, books.at)
    why = JobReason(JobReasonCode.CANCELLED)
    books.ledger.apply(changes.ended(job, JobMove.CANCEL, books.at, why), books.at)
    assert books.hours() == {(LAB, ADA): 20.0}
    books.reopen()
    assert books.hours() == {(LAB, ADA): 20.0}


def test_an_estimate_is_charged_from_the_start_and_then_what_it_was(books: Books) -> None:
    job, _ = a_placed_job(books)
    assert books.hours() == {(LAB, ADA): 20.0}
    books.after(1)
    why = JobReason(JobReasonCode.CELL_FAILED, {"cell": 1})
    books.ledger.apply(changes.ended(job, JobMove.CANCEL, books.at, why), books.at)
    assert books.hours() == {(LAB, ADA): 2.0}


FAILURES = (
    (JobReason(JobReasonCode.EXITED, {"exit_status": 1}), 2.0),
    (JobReason(JobReasonCode.EVICTED), 2.0),
    (JobReason(JobReasonCode.GPU_STATE_LOST), None),
    (JobReason(JobReasonCode.NODE_RESTARTED), None),
    (JobReason(JobReasonCode.MACHINE_RESTARTED), None),
)


@pytest.mark.parametrize(("why", "hours"), FAILURES, ids=[why.code for why, _ in FAILURES])
def test_a_failed_attempt_is_charged_unless_its_card_or_node_failed(
    books: Books, why: JobReason, hours: float | None
) -> None:
    job, _ = a_placed_job(books)
    books.after(1)
    books.ledger.apply(changes.begins_anew(job, why, books.at), books.at)
    expected = {} if hours is None else {(LAB, ADA): hours}
    assert books.hours() == expected
    books.reopen()
    assert books.hours() == expected


def test_what_was_held_is_charged_after_a_restart_as_before(books: Books) -> None:
    books.apply(slices=(a_slice(books),))
    books.after(1)
    books.apply(slices=(a_slice(books, created_at=NOON, lent_since=books.at),))
    books.after(2)
    books.apply(slices=(a_slice(books, created_at=NOON),))
    books.after(1)
    before = books.hours()
    books.reopen()
    assert books.hours() == before == {(LAB, ADA): 4.0}
    books.apply(released=(SliceId("s"),))
    books.reopen()
    assert books.hours() == before


def test_use_wears_off(tmp_path: Path) -> None:
    of_a_day = Books(tmp_path / "other.sqlite", text=TEXT.replace("300d", "1d"))
    of_a_day.apply(gpus=(GPU,))
    of_a_day.apply(slices=(a_slice(of_a_day),))
    of_a_day.after(1)
    of_a_day.apply(released=(SliceId("s"),))
    of_a_day.after(24)
    assert of_a_day.hours() == {(LAB, ADA): 1.0}
    of_a_day.database.close()


@pytest.mark.asyncio
async def test_under_another_document_the_sums_are_made_anew(books: Books) -> None:
    books.apply(slices=(a_slice(books),))
    books.after(1)
    books.apply(released=(SliceId("s"),))
    other = document(TEXT.replace("rate: 4", "rate: 1"))
    assert not books.uses.is_under(other)
    await books.uses.come_under(other)
    assert books.uses.is_under(other)
    assert books.hours() == {(LAB, ADA): 0.5}


def test_many_times_off_take_no_more_memory(books: Books) -> None:
    _, record = a_placed_job(books)
    books.after(10)
    for _ in range(100):
        began = books.at
        books.after(0.1)
        books.uses.stopped(record.slice_id, began, books.at)
        books.after(0.1)
    assert books.hours()[LAB, ADA] == pytest.approx(40, rel=0.005)
    assert len(books.uses.off_times()) == 100


def test_a_period_that_cannot_be_read_keeps_no_service_from_starting(books: Books) -> None:
    books.apply(slices=(a_slice(books),))
    books.after(1)
    books.apply(released=(SliceId("s"),))
    with books.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE held_periods SET began_at = 'yesterday'"))
    books.reopen()
    assert books.hours() == {}


def test_a_job_that_waits_is_charged_nothing(books: Books) -> None:
    job = replace(a_job_record("j", "ada", group=LAB), job_id=JobId("j"))
    books.ledger.apply(changes.submitted(job), books.at)
    books.after(9)
    assert books.hours() == {}
