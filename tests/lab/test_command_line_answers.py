"""The command line where the service does not answer as it should, or cannot be reached."""

import json
from pathlib import Path

import pytest
from sublet_quota.wire.api import LendingState

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import job, sublet


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_that_answers_for_the_service_says_that_it_is_away(
    service: FakeHubService, status: int
):
    service.answer("GET share", None, status)
    shown = sublet("share")
    assert (shown.exit_code, "did not say why" in shown.stderr) == (3, False)
    assert f"The Sublet service is away: what stands before it answered {status}" in shown.stderr


def test_without_address_token_or_service_it_says_what_to_do(
    service: FakeHubService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    away = sublet("--url", "http://127.0.0.1:9/services/sublet/", "share")
    assert (away.exit_code, "does not answer" in away.stderr) == (3, True)
    strange = sublet("--url", "file:///etc/passwd", "share")
    assert (strange.exit_code, "no http" in strange.stderr) == (3, True)
    missing = sublet("--token-file", str(tmp_path / "none"), "share")
    assert (missing.exit_code, "cannot be read" in missing.stderr) == (3, True)
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN")
    assert "give --token-file" in sublet("share").stderr
    monkeypatch.delenv("SUBLET_SERVICE_URL")
    assert "give --url" in sublet("share").stderr
    assert service.asked == []


def test_a_token_file_is_read_and_a_readable_one_warned_of(service: FakeHubService, tmp_path: Path):
    service.answer("GET lending", LendingState(lending=True))
    token = tmp_path / "token"
    token.write_text("from-the-file\n")
    token.chmod(0o600)
    assert sublet("--token-file", str(token), "lending", "show").stderr == ""
    assert service.asked[0].headers["Authorization"] == "Bearer from-the-file"
    token.chmod(0o644)
    assert "others can read" in sublet("--token-file", str(token), "lending", "show").stderr


def test_an_answer_of_another_version_is_told_as_that(service: FakeHubService):
    service.answer("GET share", {"surprise": 1})
    shown = sublet("share")
    assert shown.exit_code == 3
    assert "of the same version" in shown.stderr


def test_a_list_in_pages_is_read_as_far_as_was_asked_for(
    service: FakeHubService,
) -> None:
    service.answer("GET jobs?order=queue&limit=3", [job(job_id="c"), job(job_id="b")])
    service.headers["GET", "jobs?order=queue&limit=3"] = {"Sublet-Next": "17-b%2F"}
    service.answer("GET jobs?order=queue&limit=1&before=17-b%2F", [job(job_id="a")])
    service.headers["GET", "jobs?order=queue&limit=1&before=17-b%2F"] = {"Sublet-Next": "16-a"}
    shown = sublet("jobs", "list", "--limit", "3", "--json")
    assert [each["job_id"] for each in json.loads(shown.output)] == ["c", "b", "a"]
    assert len(service.asked) == 2


def test_who_is_told_to_ask_later_waits_and_asks_again(
    service: FakeHubService, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            service.answer("GET jobs", [])

    monkeypatch.setattr("sublet_lab.command_line.service.time.sleep", wait)
    problem = {"reason": "too-many-requests", "message": "later", "numbers": {}}
    service.answer("GET jobs", problem, 429)
    service.headers["GET", "jobs?order=queue&limit=50"] = {"Retry-After": "3"}
    assert sublet("jobs", "list").output == "No jobs.\n"
    assert waited == [3, 3]
    service.answer("GET jobs", problem, 429)
    waited[:] = [0, 0]
    refused = sublet("jobs", "list")
    assert (refused.exit_code, sum(waited)) == (1, 120)


def test_a_job_too_large_to_be_stored_is_refused_before_it_is_sent(
    service: FakeHubService,
) -> None:
    paths = [part for n in range(40) for part in ("--take", f"{n}" * 250)]
    refused = sublet("jobs", "submit", "train.ipynb", *paths)
    assert refused.exit_code == 2
    assert "16384 are possible. Its take_along takes" in refused.output
    assert service.asked == []
