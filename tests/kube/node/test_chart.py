"""The chart, installed by helm on a real cluster, serves notebooks; upgrades leave them alone."""

import asyncio
import base64
import copy
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
import requests
from nbformat.v4 import new_code_cell, new_notebook
from sublet_hub.one_machine.demo.jupyter_client import Kernel, Person
from tornado.httpclient import HTTPClientError

from tests.support.kube.api import Api
from tests.support.kube.cells import CHECK, FILL, TRAIN
from tests.support.kube.chart_on_cluster import (
    RELEASE,
    ChartOnCluster,
    install_chart,
    place_for_chart,
)
from tests.support.kube.node import Node
from tests.support.kube.processes import wait_for

pytestmark = [
    pytest.mark.kube,
]

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
WITHIN_S = 240


@pytest.fixture(scope="module")
def chart(
    cluster: Api, node: Node, notebook_image_on_node: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChartOnCluster]:
    assert notebook_image_on_node
    with place_for_chart(cluster, node, tmp_path_factory, "chart") as (api, folder):
        installed = install_chart(api, node, folder)
        yield installed
        installed.hub.stop()
        installed.helm("uninstall", RELEASE, "--wait")


@pytest_asyncio.fixture
async def ada(chart: ChartOnCluster) -> AsyncIterator[Person]:
    chart.hub.start_server("ada", size="large")
    person = Person(chart.hub.url, "ada", "any")
    await person.log_in()
    yield person
    chart.hub.stop_server("ada")


@pytest_asyncio.fixture
async def kernel(ada: Person) -> AsyncIterator[Kernel]:
    opened = await ada.open_kernel()
    yield opened
    opened.close()


def replaced(chart: ChartOnCluster, part: str, before: str) -> bool:
    """Say whether a part's pod is another one, and ready."""
    pods = chart.pods(part)
    conditions = [each for pod in pods for each in pod["status"].get("conditions", ())]
    ready = [each["status"] for each in conditions if each["type"] == "Ready"]
    return len(pods) == 1 and pods[0]["metadata"]["uid"] != before and ready == ["True"]


async def slices_of(person: Person) -> list[str]:
    share = await person.service("GET", "share")
    return [each["lease"]["slice_id"] for each in share["slices"]]


async def give_up(person: Person, slice_id: str) -> None:
    """Give a slice up once the service has heard that its last cell has ended."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                await person.service("POST", f"slices/{slice_id}/give-up", {})
            except HTTPClientError as refused:
                # As of a cell that runs: its node's agent may be late.
                if refused.code != 409:
                    raise
            else:
                return


async def run(kernel: Kernel, code: str) -> dict[str, object]:
    outcome = await kernel.run(code)
    found: dict[str, object] = json.loads(outcome.text)
    return found


@pytest.mark.asyncio
async def test_what_an_idle_notebook_does_not_use_trains_a_job_until_its_owner_runs_a_cell(
    chart: ChartOnCluster, ada: Person, kernel: Kernel
) -> None:
    home = chart.hub.home("ada")
    before = await run(kernel, FILL)
    (hers,) = await slices_of(ada)
    notebook = dict(new_notebook(cells=[new_code_cell(TRAIN)], metadata=KERNEL))
    await ada.put_notebook("train.ipynb", notebook)
    await give_up(ada, hers)
    request = {"notebook": "train.ipynb", "memory_mib": 4 * 1024}
    job_id = (await ada.service("POST", "jobs", request))["job_id"]

    def job() -> dict[str, Any]:
        status, found = chart.hub.service_call("GET", f"jobs/{job_id}")
        assert status == 200, found
        return dict(found)

    async def until(what: str, holds: Callable[[], Any]) -> None:
        def story() -> str:
            return f"{what}\n{job()}\n{chart.story()}"

        await asyncio.to_thread(wait_for, holds, WITHIN_S, story)

    def now() -> dict[str, int]:
        told = home / "now.json"
        return dict(json.loads(told.read_text())) if told.exists() else {"step": 0, "pid": 0}

    await until("three steps", lambda: now()["step"] >= 3)
    begun = now()
    assert await run(kernel, CHECK) == before
    await until("the job to stand still", lambda: _state_of_slice(job()) == "suspended")
    await give_up(ada, hers)
    await until("more steps", lambda: now()["step"] >= begun["step"] + 3)
    assert now()["pid"] == begun["pid"]
    (home / "enough").touch()
    await until("the job to end", lambda: job()["ended_at"])
    done = job()
    assert (done["state"], done["attempts"]) == ("done", 1)
    assert "trained from 0" in json.dumps(await ada.get_notebook(done["output_path"]))
    assert await run(kernel, CHECK) == before


@pytest.mark.asyncio
async def test_upgrading_everything_leaves_a_notebook_as_it_was(
    chart: ChartOnCluster, ada: Person, kernel: Kernel
) -> None:
    before = await run(kernel, FILL)
    assert before["intact"] is True
    try:
        slices = await slices_of(ada)
    except Exception as error:
        error.add_note(chart.story())
        raise
    parts = {part: chart.pods(part)[0]["metadata"]["uid"] for part in ("service", "agent")}
    cards = chart.pods("simulated-gpus")[0]["metadata"]["uid"]

    changed = copy.deepcopy(chart.values)
    changed["service"]["settings"]["missing_s"] = 20
    changed["agent"]["settings"] = {"margin_mib": 1536}
    changed["simulatedGpus"]["speed"] = 30
    chart.upgrade(wait=False, **changed)
    for part, uid in parts.items():
        wait_for(lambda part=part, uid=uid: replaced(chart, part, uid), 180, chart.story)

    await asyncio.to_thread(chart.wait_until_card_is_known)
    assert chart.pods("simulated-gpus")[0]["metadata"]["uid"] == cards
    assert await run(kernel, CHECK) == before
    assert await slices_of(ada) == slices


def test_a_new_quota_document_is_in_force_without_a_restart(chart: ChartOnCluster) -> None:
    (service,) = chart.pods("service")
    chart.upgrade(wait=False, quota={"pools": [{"name": "interactive", "idle_after": "2h"}]})
    wait_for(
        lambda: "a new quota document is in force" in chart.logs("service"),
        # The kubelet brings it to the pod when it looks at that again, and takes its time for it.
        400,
        lambda: f"the new document:\n{chart.story()}",
    )
    assert [pod["metadata"]["uid"] for pod in chart.pods("service")] == [service["metadata"]["uid"]]


def test_the_service_sees_which_nodes_are_cordoned(chart: ChartOnCluster, node: Node) -> None:
    told = ("is cordoned: its GPUs take no new slices", "is cordoned no longer")
    for words, unschedulable in zip(told, (True, False), strict=True):
        node.cordon(chart.api, unschedulable=unschedulable)
        wait_for(
            lambda words=words: f"node {node.name} {words}" in chart.logs("service"),
            60,
            lambda: f"the cordon:\n{chart.logs('service')[-3000:]}",
        )


def test_agents_are_linked_by_https_with_a_certificate_that_an_upgrade_keeps(
    chart: ChartOnCluster,
) -> None:
    before = chart.api.get("v1", "Secret", f"{RELEASE}-agents-link")["data"]
    assert set(before) == {"ca.crt", "tls.crt", "tls.key"}
    port = f":{chart.api.get('v1', 'Service', RELEASE)['spec']['ports'][1]['port']}/"
    told = chart.api.get("v1", "ConfigMap", f"{RELEASE}-agent")["data"]["sublet_agent.json"]
    url = json.loads(told)["SubletAgent"]["service_url"]
    assert url.startswith("https://")
    assert port in url
    status, gpus = chart.hub.service_call("GET", "gpus")
    assert (status, [each["silent"] for each in gpus]) == (200, [False])
    chart.upgrade(wait=False)
    assert chart.api.get("v1", "Secret", f"{RELEASE}-agents-link")["data"] == before


def test_prometheus_gets_the_metrics_with_its_token_alone(chart: ChartOnCluster) -> None:
    secret = chart.api.get("v1", "Secret", f"{RELEASE}-metrics")
    token = base64.b64decode(secret["data"]["token"]).decode()
    address = chart.api.get("v1", "Service", RELEASE)["spec"]["clusterIP"]
    url = f"http://{address}:8901/services/sublet/metrics"
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        assert answer.status_code == 200
        assert re.search(r"^sublet_agent_silent\{node=\"machine-1\"\} 0", answer.text, re.MULTILINE)
        assert session.get(url, timeout=30).status_code == 403


def test_the_agent_s_processes_have_its_two_capabilities_and_no_other(
    chart: ChartOnCluster,
) -> None:
    uid = chart.pods("agent")[0]["metadata"]["uid"]
    sys_ptrace, kill = 1 << 19, 1 << 5
    found = []
    for process in psutil.process_iter(["cmdline"]):
        status = _status_of(process.pid)
        if status and any("sublet-agent" in word for word in process.info["cmdline"] or ()):
            cgroup = _told_of(process.pid, "cgroup")
            if uid in cgroup or uid.replace("-", "_") in cgroup:
                found.append(int(status["CapEff"], 16))
    assert found
    assert set(found) == {sys_ptrace | kill}


def _state_of_slice(job: dict[str, Any]) -> str:
    return str(((job["slice"] or {}).get("report") or {}).get("state"))


def _status_of(pid: int) -> dict[str, str]:
    lines = _told_of(pid, "status").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _told_of(pid: int, what: str) -> str:
    """What the kernel tells of a process; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/{what}").read_text()
    except OSError:
        return ""
