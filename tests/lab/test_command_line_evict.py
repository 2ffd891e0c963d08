"""``sublet evict``."""

from typing import Any

import pytest
from sublet_quota.wire.evictions import EvictionInfo

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import NOW, sublet


def an_eviction(**values: Any) -> EvictionInfo:
    facts: dict[str, Any] = {
        "eviction_id": "e1",
        "owner": "ada",
        "server": "",
        "slice_id": "s-1",
        "job_id": None,
        "cancels": False,
        "reason": "fan",
        "evicted_by": "root",
        "asked_at": NOW,
        "due_at": NOW,
    }
    return EvictionInfo(**{**facts, **values})


def test_a_server_is_stopped_after_its_grace(service: FakeHubService):
    service.answer("POST evictions", an_eviction(server="b\x1big"), 201)
    shown = sublet("evict", "ada/big", "--reason", "fan", "--grace", "5m")
    assert shown.exit_code == 0, shown.output
    body = {"what": "ada/big", "reason": "fan", "grace_s": 300, "cancel": False}
    assert service.asked[-1].body == body
    assert shown.output.startswith("Server ada/b\\x1big will be stopped at ")
    assert shown.output.endswith("ada is told.\n")


def test_a_job_goes_back_or_is_cancelled(service: FakeHubService):
    service.answer("POST evictions", an_eviction(job_id="j-1"), 201)
    told = sublet("evict", "j-1", "--reason", "fan").output
    assert told == "Job j-1 of ada goes back to the queue. ada is told.\n"
    service.answer("POST evictions", an_eviction(job_id="j-1", cancels=True), 201)
    told = sublet("evict", "j-1", "--reason", "fan", "--cancel").output
    assert told == "Job j-1 of ada is cancelled. ada is told.\n"
    assert service.asked[-1].body["cancel"] is True


@pytest.mark.parametrize(
    "options",
    [
        ("ada/",),
        ("ada/", "--reason", ""),
        ("ada/", "--reason", "two\nlines"),
        ("ada/", "--reason", "fan", "--grace", "soon"),
        ("ada/", "--reason", "fan", "--grace", "0m"),
        ("ada/", "--reason", "fan", "--grace", "29s"),
        ("ada/", "--reason", "fan", "--grace", "25h"),
    ],
)
def test_what_makes_no_sense_is_not_sent(service: FakeHubService, options: tuple[str, ...]):
    assert sublet("evict", *options).exit_code == 2
    assert service.asked == []


def test_what_is_left_empty_is_named_as_it_was_typed(service: FakeHubService):
    shown = sublet("evict", "", "--reason", "two\nlines").stderr
    assert "SERVER-OR-JOB is empty: write at least one character" in shown
    assert "--reason: it has control characters, or line breaks" in shown
    assert service.asked == []


def test_a_grace_that_is_too_short_is_told_in_words(service: FakeHubService):
    shown = sublet("evict", "ada/", "--reason", "fan", "--grace", "5s")
    assert service.asked == []
    assert "'--grace': 5s is no grace: give 30s at least, and 86400s at most" in shown.output


def test_what_the_service_refuses_is_told_in_its_words(service: FakeHubService):
    problem = {"reason": "conflict", "message": "its role lacks delete:servers", "numbers": {}}
    service.answer("POST evictions", problem, 409)
    shown = sublet("evict", "ada/", "--reason", "fan")
    assert (shown.exit_code, "lacks delete:servers" in shown.output) == (1, True)
