"""Slices of pods: the service takes over which pod, node and card the cluster chose."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kubernetes_validate import validate
from sublet_hub.jobs.backends.kubernetes.objects.manifests import manifest_of
from sublet_hub.ledger.records import Change
from sublet_quota.wire.api import PodTemplate

from tests.support.fake_agent import a_gpu, a_report
from tests.support.hub_world import OTHER_SECRET, FakeHub, HubWorld, hub_world, until
from tests.support.jobs_on_kube import SETTINGS, a_placed_job

pytestmark = pytest.mark.asyncio

TEMPLATE = {
    "namespace": "hub",
    "image": "registry.example/notebook:1",
    "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "claim-ada"}}],
    "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}],
}


def a_pod(**values: Any) -> dict[str, Any]:
    return {"pod_uid": "uid-1", "namespace": "hub", "pod_name": "jupyter-ada", **values}


async def two_nodes(world: HubWorld) -> Any:
    await world.agent()
    cards = (a_gpu("SIM-1"), a_gpu("SIM-2", index=1))
    return await world.agent(node="node-b", boot_id="boot-b", secret=OTHER_SECRET, gpus=cards)


async def test_the_agent_is_told_the_uid_of_a_slices_pod(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    path = f"slices/{lease['slice_id']}/pod"
    assert await world.hub_call("POST", path, a_pod()) == (204, None)
    await agent.until(lambda: [s.pod_uid for s in agent.assignments.slices] == ["uid-1"])
    assert await world.hub_call("POST", path, a_pod(node="node-a")) == (204, None)
    assert world.service.ledger.slices[lease["slice_id"]].gpu.gpu_id == "SIM-0"


async def test_what_keeps_the_cap_is_what_the_pod_came_to_where_that_is_told(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        agent = await world.agent(gpus=(a_gpu(simulated=False),))
        lease = await world.slice_for("ada", cap_kept_by=["hami"])
        path = f"slices/{lease['slice_id']}/pod"
        for told, kept_by in (
            ({}, ("hami",)),
            ({"cap_kept_by": ["framework", "watch"]}, ("framework", "watch")),
            ({"node": "node-a"}, ("framework", "watch")),
        ):
            assert await world.hub_call("POST", path, a_pod(**told)) == (204, None)
            await agent.until(
                lambda wanted=kept_by: [s.cap_kept_by for s in agent.assignments.slices] == [wanted]
            )
        _, share = await world.call("GET", "share", world.user("ada"))
        assert share["slices"][0]["cap_kept"]["by"] == ["framework", "watch"]


async def test_a_pod_of_a_slice_that_nobody_holds_is_not_found(world: HubWorld) -> None:
    await world.agent()
    status, problem = await world.hub_call("POST", "slices/nobodys/pod", a_pod())
    assert (status, problem["reason"]) == (404, "not-found")


async def test_a_slice_follows_its_pod_to_another_node(world: HubWorld) -> None:
    other = await two_nodes(world)
    await world.slice_for("bob", gpu_type="Simulated H100 80GB")
    lease = await world.slice_for("ada", size="medium")
    assert lease["node"] == "node-a"
    path = f"slices/{lease['slice_id']}"
    await world.hub_call("POST", f"{path}/pod", a_pod(node="node-b"))
    await other.until(lambda: [s.slice_id for s in other.assignments.slices] == [lease["slice_id"]])
    _, info = await world.hub_call("GET", path)
    assert (info["lease"]["node"], info["lease"]["gpu_id"]) == ("node-b", "SIM-1")
    held = world.service.capacity.holdings.slice(lease["slice_id"])
    assert held.gpu_id == "SIM-1"


async def test_a_slice_follows_its_pod_to_the_card_on_which_the_agent_sees_it(
    world: HubWorld,
) -> None:
    other = await two_nodes(world)
    slice_id = (await world.slice_for("ada"))["slice_id"]
    await world.hub_call("POST", f"slices/{slice_id}/pod", a_pod(node="node-b"))
    await other.until(lambda: [s.gpu_id for s in other.assignments.slices] == ["SIM-1"])
    other.says[slice_id] = a_report(slice_id, gpu_id="SIM-2")
    await other.report()
    await other.until(lambda: [s.gpu_id for s in other.assignments.slices] == ["SIM-2"])
    assert world.service.ledger.slices[slice_id].gpu.index == 1


async def test_an_agents_word_about_a_card_of_another_node_does_not_count(world: HubWorld) -> None:
    other = await two_nodes(world)
    slice_id = (await world.slice_for("ada"))["slice_id"]
    await world.hub_call("POST", f"slices/{slice_id}/pod", a_pod(node="node-b"))
    await other.until(lambda: [s.gpu_id for s in other.assignments.slices] == ["SIM-1"])
    other.says[slice_id] = a_report(slice_id, gpu_id="SIM-0", memory_mib=77)
    await other.report()

    def taken() -> bool:
        report = world.service.fleet.report(slice_id)
        return report is not None and report.memory_mib == 77

    await until(taken)
    assert world.service.ledger.slices[slice_id].gpu.gpu_id == "SIM-1"


async def test_a_card_counts_only_for_slices_of_pods(world: HubWorld) -> None:
    agent = await world.agent(gpus=(a_gpu(), a_gpu("SIM-1", index=1)))
    slice_id = (await world.slice_for("ada"))["slice_id"]
    assigned = world.service.ledger.slices[slice_id].gpu.gpu_id
    seen_on = {"SIM-0": "SIM-1", "SIM-1": "SIM-0"}[assigned]
    await agent.until(lambda: len(agent.assignments.slices) == 1)
    agent.says[slice_id] = a_report(slice_id, gpu_id=seen_on, memory_mib=77)
    await agent.report()

    def taken() -> bool:
        report = world.service.fleet.report(slice_id)
        return report is not None and report.memory_mib == 77

    await until(taken)
    assert world.service.ledger.slices[slice_id].gpu.gpu_id == assigned


async def test_a_pod_on_a_node_without_known_gpus_leaves_the_slice_where_it_was(
    world: HubWorld,
) -> None:
    await world.agent()
    slice_id = (await world.slice_for("ada"))["slice_id"]
    status, _ = await world.hub_call("POST", f"slices/{slice_id}/pod", a_pod(node="node-z"))
    assert status == 204
    assert world.service.ledger.slices[slice_id].gpu.node == "node-a"


async def test_a_slice_whose_pod_came_before_the_node_s_agent_follows_it_when_that_reports(
    world: HubWorld,
) -> None:
    await world.agent()
    ids = [(await world.slice_for(owner))["slice_id"] for owner in ("ada", "bob", "eve")]
    for slice_id in ids:
        await world.hub_call("POST", f"slices/{slice_id}/pod", a_pod(node="node-b"))
    await world.hub_call("DELETE", f"slices/{ids[2]}")
    cards = (a_gpu("SIM-1"),)
    other = await world.agent(node="node-b", boot_id="boot-b", secret=OTHER_SECRET, gpus=cards)
    await other.until(
        lambda: sorted(s.slice_id for s in other.assignments.slices) == sorted(ids[:2])
    )
    held = [world.service.capacity.holdings.slice(slice_id).gpu_id for slice_id in ids[:2]]
    assert held == ["SIM-1", "SIM-1"]


async def test_a_slice_whose_pod_went_elsewhere_meanwhile_does_not_follow_the_agent_before(
    world: HubWorld,
) -> None:
    await world.agent()
    slice_id = (await world.slice_for("ada"))["slice_id"]
    for pod in (a_pod(node="node-b"), a_pod(pod_uid="uid-2", node="node-a")):
        await world.hub_call("POST", f"slices/{slice_id}/pod", pod)
    await world.agent(node="node-b", boot_id="boot-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-1"),))
    await until(lambda: "SIM-1" in world.service.ledger.gpus)
    assert world.service.ledger.slices[slice_id].gpu.node == "node-a"


async def test_how_an_owners_pods_are_made_is_kept_for_their_jobs(world: HubWorld) -> None:
    await world.agent()
    slice_id = (await world.slice_for("ada"))["slice_id"]
    await world.hub_call("POST", f"slices/{slice_id}/pod", a_pod(template=TEMPLATE))
    await world.hub_call("DELETE", f"slices/{slice_id}")
    await world.slice_for("ada")
    template = world.service.accounts.find("ada").template
    assert template.pod.image == "registry.example/notebook:1"
    assert template.pod.volumes[0]["persistentVolumeClaim"] == {"claimName": "claim-ada"}


async def test_a_job_s_pod_runs_in_the_container_runtime_of_its_owner_s_servers() -> None:
    template = PodTemplate.model_validate({**TEMPLATE, "runtime_class_name": "nvidia"})
    job = manifest_of(a_placed_job(pod=template), SETTINGS)
    assert job["spec"]["template"]["spec"]["runtimeClassName"] == "nvidia"
    validate(job, "1.34", strict=True)


async def test_a_slice_without_pod_ends_and_one_whose_pod_waits_for_a_node_stays(
    world: HubWorld,
) -> None:
    await world.agent()
    with_pod = (await world.slice_for("ada"))["slice_id"]
    await world.hub_call("POST", f"slices/{with_pod}/pod", a_pod())
    await world.slice_for("bob")
    ledger, now = world.service.ledger, world.service.now()
    # Not before one has its pod: the service looks by itself, too.
    aged = tuple(
        replace(each, created_at=now - timedelta(hours=1)) for each in ledger.slices.values()
    )
    # As long as the service is there to be told of them.
    world.service.reconciliation._began = now - timedelta(hours=1)
    ledger.apply(Change(slices=aged), now)
    world.service.reconciliation.look_at_processes()
    assert set(ledger.slices) == {with_pod}


async def test_a_slices_pod_survives_a_restart_of_the_service(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub) as world:
        await world.agent()
        slice_id = (await world.slice_for("ada"))["slice_id"]
        await world.hub_call("POST", f"slices/{slice_id}/pod", a_pod())
    async with hub_world(tmp_path, hub) as world:
        pod = world.service.ledger.slices[slice_id].pod
        assert (pod.uid, pod.namespace, pod.name) == ("uid-1", "hub", "jupyter-ada")


async def test_a_slice_whose_pod_came_before_the_node_s_agent_follows_it_after_a_restart_too(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        await world.agent()
        slice_id = (await world.slice_for("ada"))["slice_id"]
        await world.hub_call("POST", f"slices/{slice_id}/pod", a_pod(node="node-b"))
    async with hub_world(tmp_path, hub) as world:
        other = await two_nodes(world)
        await other.until(lambda: [s.slice_id for s in other.assignments.slices] == [slice_id])


async def test_a_pod_is_told_of_as_begun_once_though_its_node_is_known_later(
    world: HubWorld,
) -> None:
    await two_nodes(world)
    slice_id = (await world.slice_for("ada"))["slice_id"]
    for pod in (a_pod(), a_pod(node="node-b"), a_pod()):
        await world.hub_call("POST", f"slices/{slice_id}/pod", pod)
    record = world.service.ledger.slices[slice_id]
    assert (record.pod.node, record.gpu.node) == ("node-b", "node-b")
    _, events = await world.call("GET", "events", world.admin())
    assert [event["kind"] for event in events].count("slice-started") == 1


async def test_a_slice_of_a_backend_that_cannot_suspend_is_neither_lent_nor_overcommitted(
    world: HubWorld,
) -> None:
    agent = await world.agent()
    why = "the driver can neither pause nor suspend programs under MPS"
    lease = await world.slice_for("ada", size="whole", never_suspended=why)
    await agent.until(lambda: [s.never_suspended for s in agent.assignments.slices] == [why])
    body = {"owner": "bob", "account": world.account("bob"), "size": "small"}
    status, problem = await world.hub_call("POST", "slices", body)
    assert (status, problem["reason"]) == (409, "no-room")
    await world.hub_call("DELETE", f"slices/{lease['slice_id']}")
    await world.slice_for("carol", size="large")
    for query, allowed in (("", True), ("&never_suspended=1", False)):
        _, offers = await world.hub_call("GET", f"offers?owner=bob{query}")
        (whole,) = [offer for offer in offers["offers"] if offer["size"] == "whole"]
        assert whole["allowed"] is allowed
    await world.slice_for("ada", server="x", size="small", never_suspended=why)
    await agent.report()
    held = {h.owner: h.unsuspendable for h in world.service.capacity.holdings.slices()}
    assert held == {"carol": False, "ada": True}


async def test_a_slice_whose_size_the_cluster_fixes_is_not_resized(world: HubWorld) -> None:
    await world.agent()
    lease = await world.slice_for("ada", size="small", never_suspended="MPS")
    path = f"slices/{lease['slice_id']}/resize"
    status, problem = await world.call("POST", path, world.user("ada"), {"size": "whole"})
    assert status == 409
    assert "stop the server, and pick another size" in problem["message"]
    assert world.service.ledger.slices[lease["slice_id"]].memory_mib == lease["memory_mib"]


async def test_what_is_never_suspended_stays_so_after_a_restart_of_the_service(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        await world.agent()
        await world.slice_for("ada", never_suspended="MPS")
    async with hub_world(tmp_path, hub) as world:
        (record,) = world.service.ledger.slices.values()
        assert record.never_suspended == "MPS"
        (held,) = world.service.capacity.holdings.slices()
        assert held.unsuspendable
