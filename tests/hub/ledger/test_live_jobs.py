"""What jobs that wait or run take of the memory is known, whatever their owners made them of."""

import gc
import json
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from sublet_hub.ledger.job_parameters import JobParameters
from sublet_hub.ledger.live_jobs import LiveJobs, bytes_of
from sublet_hub.ledger.records import JobRecord
from sublet_quota.wire.jobs import JobRequest

from tests.support.ledger_records import a_job_record

ROOM = 15_900
"""For one part of a request, beside the names of the others."""


def _parameters(part: Any) -> JobRequest:
    count = ROOM // len(json.dumps(part) + ", ")
    return JobRequest(notebook="a.ipynb", parameters={"a": [part] * count})


def _paths(length: int, char: str) -> JobRequest:
    count = min(200, ROOM // (length + 4 + len(char.encode())))
    return JobRequest(
        notebook="a.ipynb",
        take_along=tuple(char + f"{number:04}".rjust(length, "x") for number in range(count)),
    )


LARGEST = {
    "empty lists": _parameters([]),
    "empty objects": _parameters({}),
    "objects": _parameters({"": 0}),
    "lists in lists": _parameters([[]]),
    "texts": _parameters("ab"),
    "numbers": _parameters(1.5),
    "a wide text": JobRequest(notebook="a.ipynb", parameters={"a": "\U0001f600" + "x" * ROOM}),
    "wide paths": _paths(900, "\U0001f600"),
    "many paths": _paths(70, ""),
    "a wide notebook": JobRequest(notebook="\U0001f600" + "x" * 990),
}


def _record(number: int, request: JobRequest) -> JobRecord:
    # As a request comes: nothing is shared between two jobs.
    own = JobRequest.model_validate_json(request.model_dump_json())
    return a_job_record(
        f"{number:012x}",
        "eve",
        notebook=own.notebook,
        parameters=own.parameters,
        take_along=own.take_along,
    )


def _memory_of(request_: JobRequest) -> tuple[int, LiveJobs]:
    """What fifty jobs take, in bytes, and these."""
    gc.collect()
    tracemalloc.start()
    try:
        jobs = LiveJobs(_record(number, request_) for number in range(50))
        gc.collect()
        return tracemalloc.get_traced_memory()[0], jobs
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("request_", LARGEST.values(), ids=LARGEST)
def test_a_job_takes_no_more_memory_than_is_reckoned_for_it(request_: JobRequest) -> None:
    # Threads that others left in this process take some, too: not in each of some measurements.
    for _ in range(3):
        taken, jobs = _memory_of(request_)
        if taken <= jobs.bytes:
            break
    assert taken <= jobs.bytes
    assert jobs.bytes_of("eve") == jobs.bytes == 50 * bytes_of(jobs.by_id[f"{1:012x}"])
    assert bytes_of(jobs.by_id[f"{1:012x}"]) <= 4 * 16 * 1024 + 4096


def test_what_a_job_took_is_free_when_it_is_forgotten_or_has_become_another() -> None:
    small = a_job_record("1" * 12, "ada")
    large = replace(small, parameters=JobParameters.of({"x": "y" * 1000}))
    jobs = LiveJobs([small, a_job_record("2" * 12, "ben")])
    jobs.put(large)
    jobs.put(small)
    assert jobs.bytes == 2 * jobs.bytes_of("ada")
    for job_id in ("1" * 12, "2" * 12, "3" * 12):
        jobs.drop(job_id)
    assert (jobs.bytes, jobs.bytes_of("ada"), dict(jobs.by_id)) == (0, 0, {})
    assert not jobs.of_owner("ada")


def test_parameters_are_read_as_they_were_given() -> None:
    values = {"é": [1.5, None, True, {"x": "\ud800\U0001f600"}], "n": float("inf")}
    assert JobParameters.of(values).values() == values
