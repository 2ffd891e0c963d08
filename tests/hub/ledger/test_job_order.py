"""Jobs are listed the newest first, page by page, whatever comes and goes."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from sublet_hub.ledger.job_order import JobOrder
from sublet_hub.ledger.records import JobRecord
from sublet_quota.names.ids import UserName

from tests.support.ledger_records import a_job_record

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def _job(facts: tuple[int, str, int]) -> JobRecord:
    number, owner, second = facts
    at = NOW + timedelta(seconds=second)
    return a_job_record(f"{number}", owner, submitted_at=at)


JOBS = st.lists(
    st.tuples(st.integers(0, 99), st.sampled_from(["ada", "bob"]), st.integers(0, 5)),
    unique_by=lambda facts: facts[0],
).map(lambda found: [_job(facts) for facts in found])


@given(JOBS, JOBS, st.integers(1, 5), st.sampled_from([None, UserName("ada")]))
def test_pages_put_together_are_all_jobs_in_their_order(
    first: list[JobRecord], more: list[JobRecord], most: int, owner: UserName | None
) -> None:
    order = JobOrder(first)
    known = {job.job_id: job for job in first}
    for job in more:
        if job.job_id in known:
            order.drop(known.pop(job.job_id))
        else:
            order.add(job)
            known[job.job_id] = job
    listed: list[str] = []
    before = None
    while found := order.older(owner, before, most):
        assert len(found) <= most
        listed += found
        before = (known[found[-1]].submitted_at, found[-1])
    wanted = [job for job in known.values() if owner in {None, job.owner}]
    wanted.sort(key=lambda job: (job.submitted_at, job.job_id), reverse=True)
    assert listed == [job.job_id for job in wanted]
