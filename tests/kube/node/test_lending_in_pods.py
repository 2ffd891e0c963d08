"""Jobs in pods run on what idle notebooks lend, stand still for their owners, and lose nothing.

A real JupyterHub, real pods, the agent of the chart's DaemonSet, the service with the chart's
rights. The GPU is simulated: of 6 GiB, of which Ada has 3 and a job of hers wants 4, so that they
never fit together.
"""

import asyncio
import json
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from tests.support.kube.cells import CHECK
from tests.support.kube.lending_story import WITHIN_S, Story, begin
from tests.support.kube.sublet_on_cluster import SubletOnCluster

pytestmark = [
    pytest.mark.kube,
    pytest.mark.asyncio(loop_scope="module"),
]

BUSY = """
import pathlib
while not pathlib.Path("/home/notebook/rest").exists():
    gpu.compute(seconds=0.1)
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def story(sublet: SubletOnCluster) -> AsyncIterator[Story]:
    hers = await begin(sublet, "ada")
    yield hers
    hers.kernel.close()
    await asyncio.to_thread(sublet.hub.stop_server, "ada")
    AsyncHTTPClient().close()


async def test_a_job_stands_still_in_its_pod_for_its_owner_and_a_crash_of_all_parts_loses_nothing(
    story: Story,
) -> None:
    sublet = story.sublet
    # While Ada is at work the rest of the card is lent, and when she is not, hers too.
    busy = asyncio.create_task(story.kernel.run(BUSY, timeout_s=2 * WITHIN_S))
    await story.until(lambda: story.lent_units() == 2, "the rest of the card to be lent")
    (story.home / "rest").touch()
    await busy
    await story.until(lambda: story.lent_units() == 5, "Ada's room to be lent")
    job_id = await story.submit("first")
    await story.until_job(job_id, lambda job: job["state"] == "running")
    begun = await story.until_step("first", 3)
    (pod,) = sublet.job_pods(job_id)
    (container,) = pod["spec"]["containers"]
    assert container["resources"]["limits"]["sublet.dev/lent"] == "4"
    # The agent says it in its next report.
    await story.until(
        lambda: sublet.slice_of("ada")["lent_to"] == ["a job of ada"],
        "her room to be shown as lent",
        lambda: sublet.slice_of("ada"),
    )

    # She runs a cell.
    answered = (await story.kernel.run(CHECK)).value()
    assert answered["intact"] is True
    # She is at work from then on: where she only thought, the job could go on before one looks.
    at_work = story.kernel.run("gpu.compute(seconds=20)", timeout_s=4 * WITHIN_S)
    computing = asyncio.create_task(at_work)
    await story.until(lambda: story.slice_state(job_id) == "suspended", "the job to be suspended")

    # All parts end as in a power cut, while the job is suspended.
    leases = {s["lease"]["slice_id"] for gpu in sublet.gpus() for s in gpu["slices"]}
    sublet.kill_service()
    await asyncio.to_thread(sublet.kill_agent)
    await asyncio.to_thread(sublet.start_service)
    await asyncio.to_thread(sublet.replace_agent)
    assert {s["lease"]["slice_id"] for gpu in sublet.gpus() for s in gpu["slices"]} == leases
    await computing
    assert (await story.kernel.run(CHECK)).value() == answered

    # She thinks again.
    went_on = await story.until_step("first", 5)
    assert went_on["pid"] == begun["pid"]
    (same,) = sublet.job_pods(job_id)
    assert same["metadata"]["uid"] == pod["metadata"]["uid"]
    assert same["status"]["containerStatuses"][0]["restartCount"] == 0
    done = await story.end(job_id, "first")
    assert (done["state"], done["attempts"]) == ("done", 1), done
    result = await story.person.get_notebook(done["output_path"])
    assert "trained from 0" in json.dumps(result)
    assert (await story.kernel.run(CHECK)).value() == answered


async def test_a_notebook_for_which_no_node_has_room_takes_a_jobs_which_goes_on_later(
    story: Story,
) -> None:
    sublet, hub = story.sublet, story.sublet.hub
    job_id = await story.submit("second")
    await story.until_job(job_id, lambda job: job["state"] == "running")
    await story.until_step("second", 3)
    process = psutil.Process(_pid_on_node(sublet, job_id))
    hub.add_user("zoe")
    zoe, wish = sublet.person("zoe"), {"size": "small", "profile": "greedy"}
    sublet.node.cordon(sublet.api, unschedulable=True)
    await story.until(lambda: "cordoned" in json.dumps(sublet.gpus()), "the cordon to be known")
    with pytest.raises((RuntimeError, HTTPClientError), match="an admin has cordoned"):
        await zoe.start_server(wish)
    assert process.is_running()
    sublet.node.cordon(sublet.api, unschedulable=False)
    await story.until(lambda: "cordoned" not in json.dumps(sublet.gpus()), "its end to be known")
    await zoe.start_server(wish)
    waiting = await story.until_job(
        job_id, lambda job: job["state"] == "placed" and "Insufficient memory" in job["reason"]
    )
    assert waiting["reason"].startswith("the cluster has found no node for it yet"), waiting
    assert waiting["attempts"] == 1
    assert not process.is_running()
    kept = story.now("second")["step"]
    assert kept > 0
    await asyncio.to_thread(hub.stop_server, "zoe")
    await story.until_job(job_id, lambda job: job["state"] == "running")
    again = await story.until_step("second", 3)
    assert again["began_with"] in {kept, kept + 1}
    done = await story.end(job_id, "second")
    assert (done["state"], done["attempts"]) == ("done", 2), done
    assert (await story.kernel.run(CHECK)).value()["intact"] is True


async def test_the_owner_of_a_job_whose_pod_cannot_begin_reads_what_its_kubelet_says(
    story: Story,
) -> None:
    sublet = story.sublet
    await story.write("away")
    with story.without_home():
        job_id = await story.promote("away")
        # Its time begins with the service, and with what its kubelet has said by then.
        await story.until(
            lambda: "FailedMount" in _told_of_pods(sublet, job_id), "its kubelet to say why"
        )
        await asyncio.to_thread(sublet.restart_service, job_begins_s="10")
        failed = await story.until_job(job_id, lambda job: job["ended_at"])
    assert failed["state"] == "failed", failed
    assert "has not begun within 10 s" in failed["reason"], failed
    # The kubelet's own word, which only events have.
    assert "FailedMount" in failed["reason"], failed
    await asyncio.to_thread(sublet.restart_service)


async def test_the_service_uses_every_right_that_the_chart_gives_it_and_asks_for_no_other(
    story: Story,
) -> None:
    sublet = story.sublet
    job_id = await story.submit("last")
    await story.until_job(job_id, lambda job: job["state"] == "running")
    await story.until_step("last", 1)
    done = await story.end(job_id, "last")
    assert done["state"] == "done", done
    await story.until(lambda: not sublet.job_pods(job_id), "the job's pod to be removed")
    granted, asked, refused = sublet.rights_of_service()
    assert refused == []
    assert asked >= granted, sorted(granted - asked)


def _told_of_pods(sublet: SubletOnCluster, job_id: str) -> str:
    """What a job's pods are in, and what befell them."""
    names = [each["metadata"]["name"] for each in sublet.job_pods(job_id)]
    return "\n".join(map(sublet.api.story_of, names))


def _pid_on_node(sublet: SubletOnCluster, job_id: str) -> int:
    """The first process of a job's container, as the node has it."""
    (pod,) = sublet.job_pods(job_id)
    uid = pod["metadata"]["uid"]
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "sublet_lab.runner" in words and uid in sublet.node.cgroups_of(process.pid):
            return int(process.pid)
    message = f"no process of the pod {uid} runs"
    raise LookupError(message)
