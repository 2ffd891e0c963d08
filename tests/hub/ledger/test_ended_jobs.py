"""Of jobs that are over it is kept when the last of each server ended."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from sublet_hub.ledger.ended_jobs import EndedJob, EndedJobs
from sublet_quota.names.ids import JobId, UserName

from tests.support.ledger_records import a_job_record
from tests.support.quota_cases import NOON

SERVERS = (None, "", "lab")
jobs = st.builds(
    lambda number, owner, server, attempts, minute: replace(
        EndedJob.of(a_job_record(f"{number:012x}", owner)),
        job_id=JobId(f"{number:012x}"),
        server=server,
        attempts=attempts,
        ended_at=None if minute is None else NOON + timedelta(minutes=minute),
    ),
    st.integers(0, 5),
    st.sampled_from(["ada", "bob"]),
    st.sampled_from(SERVERS),
    st.integers(0, 1),
    st.none() | st.integers(0, 3),
)


@given(st.lists(st.tuples(jobs, st.booleans()), max_size=20))
def test_the_last_end_is_that_of_looking_at_all(steps: list[tuple[EndedJob, bool]]) -> None:
    kept = EndedJobs()
    owners: dict[JobId, str] = {}
    for told, goes in steps:
        # A job stays its owner's.
        job = replace(told, owner=UserName(owners.setdefault(told.job_id, told.owner)))
        kept.drop(job.job_id) if goes else kept.add(job)
        for owner in ("ada", "bob"):
            for server in ("", "lab"):
                ends = [
                    each.ended_at
                    for each in kept.of_owner(UserName(owner))
                    if each.server == server and each.attempts and each.ended_at
                ]
                assert kept.last_end(UserName(owner), server) == max(ends, default=None)
