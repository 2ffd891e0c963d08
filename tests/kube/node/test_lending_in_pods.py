"""Jobs in pods run on what idle notebooks lend, stand still for their owners, and lose nothing.

A real JupyterHub, real pods, the agent of the chart's DaemonSet, the service with the chart's
rights. The GPU is simulated: of 6 GiB, of which Ada has 3 and a job of hers wants 4, so that they
never fit together.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from nbformat.v4 import new_code_cell, new_notebook
from sublet_hub.one_machine.demo.jupyter_client import Kernel, Person
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from tests.support.kube.cells import CHECK, FILL, TRAIN
from tests.support.kube.processes import wait_for
from tests.support.kube.sublet_on_cluster import SubletOnCluster

pytestmark = [
    pytest.mark.kube,
    pytest.mark.asyncio(loop_scope="module"),
]

WITHIN_S = 240
BUSY = """
import pathlib
while not pathlib.Path("/home/notebook/rest").exists():
    gpu.compute(seconds=0.1)
"""


@dataclass
class Story:
    """Ada at her notebook, and her job."""

    sublet: SubletOnCluster
    ada: Person
    kernel: Kernel

    @property
    def home(self) -> Path:
        return self.sublet.hub.home("ada")

    async def until(self, holds: Callable[[], Any], what: str) -> Any:
        story = self.sublet.story
        return await asyncio.to_thread(wait_for, holds, WITHIN_S, lambda: f"{what}\n{story()}")

    async def until_job(self, job_id: str, holds: Callable[[dict[str, Any]], Any]) -> Any:
        return await asyncio.to_thread(self.sublet.until_job, job_id, holds, WITHIN_S)

    async def submit(self, folder: str) -> str:
        """Promote a notebook in a folder of its own."""
        await self.write(folder)
        return await self.promote(folder)

    async def write(self, folder: str) -> None:
        """Have a notebook in a folder of its own."""
        (self.home / folder).mkdir(mode=0o777)
        (self.home / folder).chmod(0o777)
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        notebook = dict(new_notebook(cells=[new_code_cell(TRAIN)], metadata=kernel))
        await self.ada.put_notebook(f"{folder}/train.ipynb", notebook)

    async def promote(self, folder: str) -> str:
        """Promote the notebook of a folder."""
        request = {"notebook": f"{folder}/train.ipynb", "memory_mib": 4 * 1024}
        job = await self.ada.service("POST", "jobs", request)
        return str(job["job_id"])

    @contextmanager
    def without_home(self) -> Iterator[None]:
        """Have her home where no other pod can mount it; her server has it all the time."""
        away = self.home.with_name("ada-away")
        self.home.rename(away)
        try:
            yield
        finally:
            away.rename(self.home)

    def now(self, folder: str) -> dict[str, int]:
        """How far the job is, as it says itself."""
        told = self.home / folder / "now.json"
        return dict(json.loads(told.read_text())) if told.exists() else {"step": 0, "pid": 0}

    async def until_step(self, folder: str, more: int) -> dict[str, int]:
        """Wait until the job has done some more steps."""
        begun = self.now(folder)["step"]
        await self.until(
            lambda: self.now(folder)["step"] >= begun + more, f"{more} more steps than {begun}"
        )
        return self.now(folder)

    async def end(self, job_id: str, folder: str) -> dict[str, Any]:
        """Let the job end; returns it, and what it printed is in its executed notebook."""
        (self.home / folder / "enough").touch()
        done: dict[str, Any] = await self.until_job(job_id, lambda job: job["ended_at"])
        return done

    def slice_state(self, job_id: str) -> str:
        found = self.sublet.job(job_id)["slice"]
        return str(((found or {}).get("report") or {}).get("state"))

    def lent_units(self) -> int:
        return self.sublet.lent_units()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def story(sublet: SubletOnCluster) -> AsyncIterator[Story]:
    sublet.hub.add_user("ada")
    ada = sublet.person("ada")
    await asyncio.to_thread(sublet.hub.start_server, "ada", size="large")
    kernel = await ada.open_kernel()
    told = (await kernel.run(FILL)).value()
    assert told["intact"] is True
    hers = Story(sublet, ada, kernel)
    yield hers
    hers.kernel.close()
    await asyncio.to_thread(sublet.hub.stop_server, "ada")
    AsyncHTTPClient().close()


async def test_a_job_stands_still_in_its_pod_for_its_owner_and_a_crash_of_all_parts_loses_nothing(
    story: Story,
) -> None:
    sublet = story.sublet
    # While Ada is at work the rest of the card is lent, and when she is not, hers too.
    busy = asyncio.create_task(story.kernel.run(BUSY))
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
    assert sublet.slice_of("ada")["lent_to"] == ["a job of ada"]

    # She runs a cell.
    answered = (await story.kernel.run(CHECK)).value()
    assert answered["intact"] is True
    # She is at work from then on: where she only thought, the job could go on before one looks.
    computing = asyncio.create_task(story.kernel.run("gpu.compute(seconds=20)"))
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
    result = await story.ada.get_notebook(done["output_path"])
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


async def test_a_job_on_a_node_whose_power_is_cut_goes_on_from_its_checkpoint(
    story: Story,
) -> None:
    sublet = story.sublet
    job_id = await story.submit("third")
    await story.until_job(job_id, lambda job: job["state"] == "running")
    kept = (await story.until_step("third", 3))["step"]
    await asyncio.to_thread(sublet.node.cut_power, sublet.api)
    await story.until_job(job_id, lambda job: (job["state"], job["attempts"]) == ("running", 2))
    again = await story.until_step("third", 3)
    assert again["began_with"] >= kept
    done = await story.end(job_id, "third")
    assert (done["state"], done["attempts"]) == ("done", 2), done
    # Her kernel ended with the node; she has another.
    story.kernel.close()
    await asyncio.to_thread(sublet.hub.stop_server, "ada")
    await asyncio.to_thread(sublet.hub.start_server, "ada", size="large")
    story.kernel = await story.ada.open_kernel()
    assert (await story.kernel.run(FILL)).value()["intact"] is True


async def test_the_owner_of_a_job_whose_pod_cannot_begin_reads_what_its_kubelet_says(
    story: Story,
) -> None:
    sublet = story.sublet
    await story.write("away")
    await asyncio.to_thread(sublet.restart_service, job_begins_s="10")
    with story.without_home():
        job_id = await story.promote("away")
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
