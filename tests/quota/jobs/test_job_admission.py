"""Jobs at submission: only what can never run, and one too many, is refused."""

import pytest
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.job_admission import AdmittedJob, admit_job
from sublet_quota.jobs.requested_job import JobCounts, RequestedJob
from sublet_quota.reasons.refusal import Refusal, RefusalReason

from tests.support.quota_cases import H100, L4, NOON, gpu, holdings

TWO = (gpu("h", H100), gpu("l", L4))
NONE = JobCounts()


def refusal_of(held: Holdings, wish: RequestedJob, counts: JobCounts = NONE) -> Refusal | None:
    answer = admit_job(held, wish, counts, NOON)
    return answer if isinstance(answer, Refusal) else None


REFUSED = {
    "no memory": (RequestedJob("ada", memory_mib=0), RefusalReason.BAD_AMOUNT, "1 MiB or more"),
    "negative memory": (
        RequestedJob("ada", memory_mib=-1),
        RefusalReason.BAD_AMOUNT,
        "1 MiB or more",
    ),
    "beyond all GPUs": (
        RequestedJob("ada", memory_mib=10**400),
        RefusalReason.BAD_AMOUNT,
        "more memory than any GPU has",
    ),
    "no compute": (RequestedJob("ada", compute_milli=0), RefusalReason.BAD_AMOUNT, "1 to 1000"),
    "two GPUs' compute": (
        RequestedJob("ada", compute_milli=2000),
        RefusalReason.BAD_AMOUNT,
        "1 to",
    ),
    "a priority before everybody's fair share": (
        RequestedJob("ada", priority=1),
        RefusalReason.PRIORITY_NOT_ALLOWED,
        "ask for 0, or for less",
    ),
    "larger than any GPU": (
        RequestedJob("ada", memory_mib=80 * 1024),
        RefusalReason.LARGER_THAN_GPU,
        "A job of 80 GiB fits on no GPU: at most 79 GiB on NVIDIA H100 80GB HBM3. Ask for less.",
    ),
    "larger than the GPUs of its type": (
        RequestedJob("ada", memory_mib=24 * 1024, gpu_type="*L4"),
        RefusalReason.LARGER_THAN_GPU,
        "at most 23 GiB on NVIDIA L4",
    ),
    "more GPUs than there are": (
        RequestedJob("ada", gpus=3),
        RefusalReason.BAD_AMOUNT,
        "The job asks for 3 GPUs, each another, and there are 2 that it could use.",
    ),
    "more GPUs than there are of its type": (
        RequestedJob("ada", gpus=2, gpu_type="*L4"),
        RefusalReason.BAD_AMOUNT,
        "and there is 1 that it could use. Ask for fewer.",
    ),
    "more GPUs than are large enough": (
        RequestedJob("ada", gpus=2, memory_mib=40 * 1024),
        RefusalReason.BAD_AMOUNT,
        "and there is 1 that it could use.",
    ),
    "a type that is written wrongly": (
        RequestedJob("ada", gpu_type="nvidia L40"),
        RefusalReason.NO_GPU,
        (
            "There is no GPU of type 'nvidia L40' that jobs could use (did you mean 'NVIDIA L4'?). "
            "There are: NVIDIA H100 80GB HBM3, NVIDIA L4."
        ),
    ),
    "a type that is not there": (
        RequestedJob("ada", gpu_type="B200"),
        RefusalReason.NO_GPU,
        (
            "There is no GPU of type 'B200' that jobs could use. There are: NVIDIA H100 80GB HBM3, "
            "NVIDIA L4."
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_job_that_can_never_run_is_refused(name: str) -> None:
    wish, reason, words = REFUSED[name]
    refusal = refusal_of(holdings("", *TWO), wish)
    assert refusal is not None
    assert refusal.reason is reason
    assert words in refusal.message


@pytest.mark.parametrize(
    "wish",
    [
        RequestedJob("ada"),
        RequestedJob("ada", memory_mib=79 * 1024),
        RequestedJob("ada", memory_mib=20 * 1024, gpus=2),
        RequestedJob("ada", gpu_type="*l4"),
        RequestedJob("ada", priority=-100),
        RequestedJob("ada", priority=100, may_go_first=True),
    ],
)
def test_a_job_that_fits_some_gpu_may_wait_for_it(wish: RequestedJob) -> None:
    assert isinstance(admit_job(holdings("", *TWO), wish, NONE, NOON), AdmittedJob)


def test_a_closed_gpu_is_waited_for() -> None:
    held = holdings("", gpu(closed="XID 79"))
    assert isinstance(admit_job(held, RequestedJob("ada"), NONE, NOON), AdmittedJob)


def test_without_a_pool_that_lends_no_job_can_run() -> None:
    refusal = refusal_of(holdings("pools: [{name: p, lend: false}]"), RequestedJob("ada"))
    assert refusal is not None
    assert refusal.reason is RefusalReason.NO_GPU


def test_gpus_of_pools_that_do_not_lend_do_not_count() -> None:
    text = """
    gpu_types: {H100: {match: "*H100*"}}
    pools:
      - {name: no-lending, types: [H100], lend: false}
      - {name: lending, default: true}
    """
    gpus: tuple[GpuFacts, ...] = TWO
    refusal = refusal_of(holdings(text, *gpus), RequestedJob("ada", memory_mib=40 * 1024))
    assert refusal is not None
    assert refusal.numbers == {"asked_mib": 40960, "largest_mib": 23552}
    refusal = refusal_of(holdings(text, *gpus), RequestedJob("ada", gpus=2))
    assert refusal is not None
    assert refusal.numbers == {"asked_gpus": 2, "most_gpus": 1}


def test_one_job_too_many_is_refused_with_the_numbers() -> None:
    held = holdings("groups: {lab: {each: {jobs: {most: 2}}}}")
    wish = RequestedJob("ada", ("lab",))
    assert isinstance(admit_job(held, wish, JobCounts(1), NOON), AdmittedJob)
    refusal = refusal_of(held, wish, JobCounts(2))
    assert refusal is not None
    assert refusal.reason is RefusalReason.TOO_MANY_JOBS
    assert refusal.numbers == {"jobs": 2, "most_jobs": 2}
    assert "'ada' has 2 jobs waiting or running and may have 2." in refusal.message
