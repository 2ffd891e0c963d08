"""``sublet jobs list``: from the head of the queue on, filtered and sorted."""

import csv
import json
from datetime import UTC, datetime, timedelta

from sublet_quota.life_cycles.job_states import JobState

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import job, lease, share, slice_info, sublet
from tests.support.terminals import sublet_at_a_terminal


def on(node: str, gpu_type: str = "NVIDIA L4", pool: str = "interactive") -> dict[str, object]:
    held = slice_info(lease=lease(node=node, gpu_type=gpu_type, pool=pool))
    return {"slice": held, "state": JobState.RUNNING, "place": None}


def test_what_was_left_out_of_the_queue_is_told(service: FakeHubService):
    path = "jobs?order=queue&limit=2"
    service.answer(f"GET {path}", [job(job_id="a"), job(job_id="b", place=2)])
    service.headers["GET", path] = {"Sublet-Total": "7", "Sublet-Next": "9-b"}
    shown = sublet("jobs", "list", "--limit", "2")
    assert "5 more are not shown: --limit 7 shows all." in shown.stderr
    assert "more" not in shown.stdout
    assert len(json.loads(sublet("jobs", "list", "--limit", "2", "--json").stdout)) == 2


def test_jobs_are_filtered_by_state_owner_node_type_and_pool(service: FakeHubService):
    service.answer(
        "GET jobs",
        [
            job(job_id="a", **on("n1")),
            job(job_id="b", **on("n2", gpu_type="NVIDIA H100 80GB")),
            job(job_id="c", **on("n2", pool="training")),
            job(job_id="d"),
        ],
    )

    def listed(*options: str) -> list[str]:
        shown = sublet("jobs", "list", "--json", *options)
        return [each["job_id"] for each in json.loads(shown.stdout)]

    assert listed("--node", "n2") == ["b", "c"]
    assert listed("--type", "h100") == ["b"]
    assert listed("--pool", "training") == ["c"]
    listed("--state", "waiting", "--state", "running", "--owner", "ada")
    assert "owner=ada&state=running&state=waiting" in service.asked[-1].path
    assert sublet("jobs", "list", "--state", "asleep").exit_code == 2


def test_jobs_are_sorted_before_they_are_cut(service: FakeHubService):
    service.answer("GET jobs", [job(job_id=each, owner=each) for each in "bca"])
    shown = sublet("jobs", "list", "--sort", "owner", "--limit", "2", "--csv")
    assert [row["owner"] for row in csv.DictReader(shown.stdout.splitlines())] == ["a", "b"]
    assert "1 more is not shown" in shown.stderr
    sublet("jobs", "list", "--sort", "newest")
    assert "order" not in service.asked[-1].path


def test_ids_of_jobs_are_not_folded_in_eighty_columns(service: FakeHubService):
    ids = [f"{number:012x}" for number in range(12)]
    name = "a name that takes quite some room by itself"
    service.answer("GET jobs", [job(job_id=each, name=name, **on("gpu-node-01")) for each in ids])
    lines = sublet_at_a_terminal(80, "jobs", "list")
    assert [word for line in lines for word in line.split() if word in ids] == ids
    assert max(map(len, lines)) <= 80
    rows = [number for number, line in enumerate(lines) if set(line.split()) & set(ids)]
    assert rows == list(range(rows[0], rows[0] + len(ids))), "no job has a second line"
    assert lines[0] == "Of ada:"
    assert "OWNER" not in " ".join(lines)


def test_where_each_job_runs_is_told_whole_in_eighty_columns_beside_long_names(
    service: FakeHubService,
):
    who = ("ada", "a-user-with-a-very-long-name")
    jobs = [job(job_id=f"{n:012x}", owner=name, **on("this-machine")) for n, name in enumerate(who)]
    jobs.append(job(job_id="c" * 12, state=JobState.WAITING, place=1, slice=None))
    service.answer("GET jobs", jobs)
    lines = sublet_at_a_terminal(80, "jobs", "list")
    assert max(map(len, lines)) <= 80
    assert sum("this-machine 0" in line for line in lines) == len(who)
    assert any("a-u" in line for line in lines)


def test_a_job_that_stands_still_is_not_shown_as_running(service: FakeHubService):
    since = datetime.now(UTC) - timedelta(minutes=5)
    still = {"stopped": "suspended", "stopped_since": since, "suspended_for": "for eve's cell"}
    jobs = [job(job_id="a", **on("n1"), **still), job(job_id="b", **on("n1"))]
    jobs += [job(job_id="c", **on("n1"), stopped="waits"), job(job_id="d", **on("n1"), stopped="x")]
    service.answer("GET jobs", jobs)
    rows = {line.split()[0]: line for line in sublet("jobs", "list").stdout.splitlines()}
    assert ("suspended, 5 min" in rows["a"], "running" in rows["a"]) == (True, False)
    assert "running" in rows["b"]
    assert "waits on its GPU" in rows["c"]
    assert "running" not in rows["d"]
    shown = json.loads(sublet("jobs", "list", "--state", "suspended", "--json").stdout)
    assert [each["job_id"] for each in shown] == ["a", "c", "d"]
    shown = json.loads(sublet("jobs", "list", "--state", "running", "--json").stdout)
    assert [each["job_id"] for each in shown] == ["b"]
    service.answer("GET jobs/a", jobs[0])
    assert "suspended for eve's cell, 5 min" in sublet("jobs", "show", "a").stdout
    service.answer("GET share", share(jobs_running=3, jobs_stopped=1))
    assert "3 running (1 of them not now), 0 waiting" in sublet("share").stdout


def test_a_job_of_a_whole_gpu_that_is_over_is_not_said_to_have_no_memory(service: FakeHubService):
    over = job(state="done", place=None, reason="", memory_mib=0)
    service.answer("GET jobs/j-1", over)
    assert "a whole GPU" in sublet("jobs", "show", "j-1").output
    service.answer("GET jobs", [over])
    assert "a whole GPU" in sublet("jobs", "list").output
