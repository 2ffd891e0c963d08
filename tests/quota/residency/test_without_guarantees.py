"""Where no job is entitled nothing is decided otherwise than before jobs could be.

``owners_before_jobs`` is that decision as it was, kept to compare with and for nothing else.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.residency import lending, policy
from sublet_quota.residency.snapshot import GpuSnapshot, Rank

from tests.quota.residency.any_snapshot import snapshots
from tests.quota.residency.owners_before_jobs import lending as lending_before
from tests.quota.residency.owners_before_jobs import policy as policy_before

examples = settings(max_examples=500)


def _without_entitled_jobs(snapshot: GpuSnapshot) -> GpuSnapshot:
    slices = (replace(s, rank=Rank.BORROWED) if s.is_job else s for s in snapshot.slices)
    return replace(snapshot, slices=tuple(slices))


@examples
@given(snapshots())
def test_without_entitled_jobs_every_decision_is_as_before(snapshot):
    snapshot = _without_entitled_jobs(snapshot)
    assert policy.decide(snapshot) == policy_before.decide(snapshot)


@examples
@given(snapshots())
def test_what_can_be_lent_to_one_more_job_is_as_before(snapshot):
    assert lending.lendable_mib(snapshot) == lending_before.lendable_mib(snapshot)


@examples
@given(snapshots(), st.sampled_from(("lending", "foreign_present", "unfit")))
def test_where_nothing_is_lent_or_moved_no_job_is_entitled(snapshot, why):
    snapshot = replace(snapshot, **{why: why != "lending"})
    assert policy.decide(snapshot) == policy_before.decide(_without_entitled_jobs(snapshot))
