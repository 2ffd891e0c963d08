"""A node is cordoned, drained, powered off, given up, booted anew; its agent is upgraded.

A test for each row of the manual's table: what owners read is what stands there, what comes back by
itself does, and what is lost is what is said to be lost.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import pytest_asyncio
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from tests.support.hub_world import until
from tests.support.kube.api import Api, Manifest, RefusedError
from tests.support.kube.cells import CHECK, FILL
from tests.support.kube.control_plane import NODE
from tests.support.kube.lending_story import WITHIN_S, Story, begin
from tests.support.kube.sublet_on_cluster import SubletOnCluster
from tests.support.told_in_manual import NODES_THAT_GO, rows_of, words_told

pytestmark = [
    pytest.mark.kube,
    pytest.mark.asyncio(loop_scope="module"),
]

OUT_OF_SERVICE = {
    "key": "node.kubernetes.io/out-of-service",
    "value": "nodeshutdown",
    "effect": "NoExecute",
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def story(sublet: SubletOnCluster) -> AsyncIterator[Story]:
    hers = await begin(sublet, "lin")
    yield hers
    hers.kernel.close()
    # A test that failed may have left the node in any of these states: others come after it.
    await asyncio.to_thread(sublet.node.ensure_power, sublet.api)
    await asyncio.to_thread(change_taints, sublet.api)
    await asyncio.to_thread(sublet.hub.stop_server, "lin")
    AsyncHTTPClient().close()


def told(row: str) -> list[str]:
    return words_told(NODES_THAT_GO, row, NODE=NODE)


async def until_running(story: Story, job_id: str, attempts: int) -> None:
    await story.until_job(
        job_id, lambda job: (job["state"], job["attempts"]) == ("running", attempts)
    )


async def until_told(story: Story, job_id: str, words: str) -> None:
    await story.until_job(job_id, lambda job: words in job["reason"])


async def until_it_went_back(story: Story, job_id: str, *words: str) -> None:
    """Wait for an event that tells the owner why an attempt of a job is over, in some words."""

    def went_back() -> list[str]:
        _, events = story.sublet.hub.service_call("GET", f"events?owner={story.owner}")
        return [each["detail"] for each in events if each["kind"] == "job-went-back"]

    def so_it_did() -> bool:
        hers = [detail for detail in went_back() if job_id in detail]
        return any(each in detail for each in words for detail in hers)

    await story.until(so_it_did, f"{job_id} to have gone back: {words}", went_back)


async def until_server_ended(story: Story) -> None:
    """Wait until the hub has seen that her server is gone, and her slice is given back."""

    def ended() -> bool:
        _, found = story.sublet.hub.hub_call("GET", f"users/{story.owner}")
        owners = [s["lease"] for gpu in story.sublet.gpus() for s in gpu["slices"]]
        hers = [each for each in owners if each["holder"] == "notebook"]
        return not found["servers"] and not hers

    await story.until(ended, "her server to be seen as ended")


async def start_again(story: Story) -> None:
    """Have her start her server, and fill her part of the card anew."""
    story.kernel.close()
    await asyncio.to_thread(story.sublet.hub.start_server, story.owner, size="large")
    story.kernel = await story.person.open_kernel()
    assert (await story.kernel.run(FILL)).value()["intact"] is True


async def start_unless_it_runs(story: Story) -> None:
    """Open a new kernel on her server; start that, where the hub has seen it end meanwhile."""
    story.kernel.close()

    async def opened() -> bool:
        _, found = story.sublet.hub.hub_call("GET", f"users/{story.owner}")
        if not found["servers"]:
            await asyncio.to_thread(story.sublet.hub.start_server, story.owner, size="large")
        try:
            story.kernel = await story.person.open_kernel()
        except (HTTPClientError, OSError, RuntimeError):
            # The hub's proxy does not lead to where it is now yet.
            return False
        return True

    await until(opened, WITHIN_S)


@contextmanager
def cordoned(sublet: SubletOnCluster) -> Iterator[None]:
    sublet.node.cordon(sublet.api, unschedulable=True)
    try:
        yield
    finally:
        sublet.node.cordon(sublet.api, unschedulable=False)


def evict_as_a_drain_does(api: Api) -> None:
    """Evict what `kubectl drain --force --ignore-daemonsets` evicts: all but a DaemonSet's pods."""
    for pod in api.pods():
        owners = [each["kind"] for each in pod["metadata"].get("ownerReferences", ())]
        if "DaemonSet" in owners:
            continue
        about = {"name": pod["metadata"]["name"], "namespace": api.namespace}
        body: Manifest = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": about}
        try:
            api.call("POST", f"{api.path('v1', 'Pod', about['name'])}/eviction", body)
        except RefusedError as refused:
            # Those of jobs that have ended are removed meanwhile.
            if refused.status != 404:
                raise


def tell_that_it_does_not_answer(api: Api) -> None:
    """Write what the cluster's controller does when a node has said nothing for 40 seconds."""
    conditions = api.get("v1", "Node", NODE)["status"]["conditions"]
    unknown = {"status": "Unknown", "reason": "NodeStatusUnknown"}
    changed = [{**each, **unknown} if each["type"] == "Ready" else each for each in conditions]
    api.patch("v1", "Node", NODE, {"status": {"conditions": changed}}, part="status")


def change_taints(api: Api, *taints: dict[str, str]) -> None:
    others = [
        each
        for each in api.get("v1", "Node", NODE)["spec"].get("taints", ())
        if each["key"] != OUT_OF_SERVICE["key"]
    ]
    api.patch("v1", "Node", NODE, {"spec": {"taints": [*others, *taints]}})


async def test_each_row_of_the_manual_has_a_test_here() -> None:
    rows = {
        "Cordoned": test_what_a_cordoned_node_has_goes_on_there_and_nothing_new_comes,
        "Drained": test_a_drained_nodes_servers_end_and_its_jobs_go_on_from_their_checkpoints,
        "Powered off": test_of_a_node_without_power_all_is_shown_as_not_reachable,
        "Given up": test_once_an_admin_has_given_a_node_up_servers_can_be_started_elsewhere,
        "Booted anew": test_after_a_boot_servers_begin_anew_and_jobs_go_on_from_their_checkpoints,
        "Agent replaced": test_while_its_agent_is_upgraded_nothing_on_a_node_is_lost,
    }
    assert list(rows_of(NODES_THAT_GO)) == list(rows)


async def test_what_a_cordoned_node_has_goes_on_there_and_nothing_new_comes(story: Story) -> None:
    sublet, (refused, waits) = story.sublet, told("Cordoned")
    sublet.hub.add_user("newcomer")
    held = (await story.kernel.run(CHECK)).value()
    job_id = await story.submit("cordoned")
    await until_running(story, job_id, 1)
    begun = await story.until_step("cordoned", 3)
    with cordoned(sublet):
        await story.until(lambda: "cordoned" in json.dumps(sublet.gpus()), "the cordon to be known")
        refusal = await asyncio.to_thread(sublet.hub.try_server, "newcomer", size="small")
        assert refused in str(refusal)
        # What was suspended comes back, and what was lent is lent again.
        assert (await story.kernel.run(CHECK)).value() == held
        went_on = await story.until_step("cordoned", 3)
        assert went_on["pid"] == begun["pid"]
        done = await story.end(job_id, "cordoned")
        assert (done["state"], done["attempts"]) == ("done", 1), done
        later = await story.submit("later")
        await until_told(story, later, waits)
    await until_running(story, later, 1)
    done = await story.end(later, "later")
    assert done["state"] == "done", done


async def test_a_drained_nodes_servers_end_and_its_jobs_go_on_from_their_checkpoints(
    story: Story,
) -> None:
    sublet, (taken,) = story.sublet, told("Drained")
    job_id = await story.submit("drained")
    await until_running(story, job_id, 1)
    kept = (await story.until_step("drained", 3))["step"]
    with cordoned(sublet):
        await asyncio.to_thread(evict_as_a_drain_does, sublet.api)
        await until_it_went_back(story, job_id, taken)
        await until_server_ended(story)
    await until_running(story, job_id, 2)
    again = await story.until_step("drained", 3)
    assert again["began_with"] >= kept
    done = await story.end(job_id, "drained")
    assert done["state"] == "done", done
    await start_again(story)


async def test_of_a_node_without_power_all_is_shown_as_not_reachable(
    story: Story,
) -> None:
    sublet, (silent, refused) = story.sublet, told("Powered off")
    job_id = await story.submit("dark")
    await until_running(story, job_id, 1)
    await story.until_step("dark", 3)
    await asyncio.to_thread(sublet.node.cut_power)
    await until_told(story, job_id, silent)
    share = await story.person.service("GET", "share")
    assert share["agents_silent"] == [NODE]
    assert {each["silent"] for each in share["slices"]} == {True}
    refusal = await asyncio.to_thread(sublet.hub.try_server, "newcomer", size="small")
    assert refused in str(refusal)


async def test_once_an_admin_has_given_a_node_up_servers_can_be_started_elsewhere(
    story: Story,
) -> None:
    sublet, api = story.sublet, story.sublet.api
    (lost,) = told("Given up")
    (job,) = [each for each in await story.person.service("GET", "jobs") if not each["ended_at"]]
    kept = story.now("dark")["step"]
    await asyncio.to_thread(tell_that_it_does_not_answer, api)
    await asyncio.to_thread(change_taints, api, OUT_OF_SERVICE)
    await until_server_ended(story)
    await until_it_went_back(story, job["job_id"], lost)
    await asyncio.to_thread(sublet.node.power_on, api)
    await asyncio.to_thread(change_taints, api)
    await until_running(story, job["job_id"], 2)
    again = await story.until_step("dark", 3)
    assert again["began_with"] >= kept
    done = await story.end(job["job_id"], "dark")
    assert done["state"] == "done", done
    await start_again(story)


async def test_after_a_boot_servers_begin_anew_and_jobs_go_on_from_their_checkpoints(
    story: Story,
) -> None:
    sublet, in_either_words = story.sublet, told("Booted anew")
    job_id = await story.submit("booted")
    await until_running(story, job_id, 1)
    kept = (await story.until_step("booted", 3))["step"]
    await asyncio.to_thread(sublet.node.reboot, sublet.api)
    await until_running(story, job_id, 2)
    await until_it_went_back(story, job_id, *in_either_words)
    again = await story.until_step("booted", 3)
    assert again["began_with"] >= kept
    done = await story.end(job_id, "booted")
    assert (done["state"], done["attempts"]) == ("done", 2), done
    await start_unless_it_runs(story)
    assert (await story.kernel.run(FILL)).value()["intact"] is True

    def held_mib() -> int:
        return int((sublet.slice_of(story.owner)["report"] or {}).get("memory_mib", 0))

    await story.until(lambda: held_mib() > 2 * 1024, "her new kernel to be known as hers", held_mib)


async def test_while_its_agent_is_upgraded_nothing_on_a_node_is_lost(story: Story) -> None:
    sublet = story.sublet
    held = (await story.kernel.run(CHECK)).value()
    job_id = await story.submit("upgraded")
    await until_running(story, job_id, 1)
    begun = await story.until_step("upgraded", 3)
    (agent,) = (each["metadata"]["uid"] for each in sublet.agent_pods())
    await asyncio.to_thread(sublet.upgrade_agent)
    assert [each["metadata"]["uid"] for each in sublet.agent_pods()] != [agent]
    assert (await story.kernel.run(CHECK)).value() == held
    went_on = await story.until_step("upgraded", 3)
    assert went_on["pid"] == begun["pid"]
    done = await story.end(job_id, "upgraded")
    assert (done["state"], done["attempts"]) == ("done", 1), done
