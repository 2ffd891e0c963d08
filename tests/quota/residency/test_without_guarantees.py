"""Where no job is entitled nothing is decided otherwise than before jobs could be.

What was decided before stands in ``decided_before_jobs.txt``, as ``line`` says it of each of many
snapshots. Whoever changes on purpose what is decided here writes that anew, and reads what differs:
``RECORDED.write_text("".join(map(line, NUMBERS)))``.
"""

from dataclasses import astuple, replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.residency.lending import lendable_mib
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import GpuSnapshot, Rank

from tests.quota.residency.any_snapshot import numbered, snapshots

RECORDED = Path(__file__).with_name("decided_before_jobs.txt")
NUMBERS = range(1000)
examples = settings(max_examples=500)


def _without_entitled_jobs(snapshot: GpuSnapshot) -> GpuSnapshot:
    slices = (replace(s, rank=Rank.BORROWED) if s.is_job else s for s in snapshot.slices)
    return replace(snapshot, slices=tuple(slices))


def line(number: int) -> str:
    """Say what is decided on a snapshot, all of it, and what one more job could have there."""
    snapshot = _without_entitled_jobs(numbered(number))
    decision = decide(snapshot)
    told = (*decision.actions, *decision.waits)
    words = (f"{type(each).__name__}({', '.join(map(str, astuple(each)))})" for each in told)
    return " ".join((f"{number}: lendable {lendable_mib(snapshot)}", *words)) + "\n"


def test_without_entitled_jobs_every_decision_is_as_before():
    before = RECORDED.read_text().splitlines(keepends=True)
    now = [line(number) for number in NUMBERS]
    assert [new for new, old in zip(now, before, strict=True) if new != old] == []


@examples
@given(snapshots())
def test_what_can_be_lent_to_one_more_job_is_as_before(snapshot):
    assert lendable_mib(snapshot) == lendable_mib(_without_entitled_jobs(snapshot))


@examples
@given(snapshots(), st.sampled_from(("lending", "foreign_present", "unfit")))
def test_where_nothing_is_lent_or_moved_no_job_is_entitled(snapshot, why):
    snapshot = replace(snapshot, **{why: why != "lending"})
    assert decide(snapshot) == decide(_without_entitled_jobs(snapshot))
