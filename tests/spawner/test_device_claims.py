"""The ResourceClaims of a slice: made with its server's pod, or what happens where they are not."""

from pathlib import Path

import pytest

from tests.spawner.kube_world import POD, a_world

pytestmark = pytest.mark.asyncio


async def test_a_resource_claim_is_made_with_the_pod_and_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner._as_configured["slice_backend"] = "dra"
        world.service.lease_changes = {"simulated": False}
        task = await world.starting()
        (slice_id,) = world.service.slices
        name = f"sublet-{slice_id}-gpu"
        await world.until(lambda: ("resourceclaims", name) in world.cluster.objects, "the claim")
        world.cluster.run(POD)
        await task
        claim = world.cluster.objects["resourceclaims", name]
        assert claim["metadata"]["ownerReferences"][0]["uid"] == world.pod["metadata"]["uid"]
        assert world.pod["spec"]["resourceClaims"] == [{"name": "gpu", "resourceClaimName": name}]
        await world.spawner.stop()
        assert ("resourceclaims", name) not in world.cluster.objects


async def test_a_claim_that_may_not_be_made_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner._as_configured["slice_backend"] = "dra"
        world.service.lease_changes = {"simulated": False}
        world.cluster.refused["resourceclaims"] = 403
        task = await world.starting()

        def messages() -> list[str]:
            return [event["message"] for event in world.spawner._start_log._events]

        told = "could not be made: the hub's role may not create resourceclaims"
        await world.until(lambda: any(told in m for m in messages()), "the trouble told")
        del world.cluster.refused["resourceclaims"]
        claims = lambda: [k for k, _ in world.cluster.objects if k == "resourceclaims"]  # noqa: E731
        await world.until(claims, "the claim")
        world.cluster.run(POD)
        await task
        assert sum(told in message for message in messages()) == 1


async def test_a_claim_is_asked_for_again_when_the_connection_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner._as_configured["slice_backend"] = "dra"
        world.service.lease_changes = {"simulated": False}
        world.cluster.dropped.add("resourceclaims")
        task = await world.starting()
        told = "Kubernetes' API does not answer"
        log = world.spawner._start_log._events
        await world.until(lambda: any(told in each["message"] for each in log), "the trouble told")
        world.cluster.dropped.clear()
        claims = lambda: [k for k, _ in world.cluster.objects if k == "resourceclaims"]  # noqa: E731
        await world.until(claims, "the claim")
        world.cluster.run(POD, "node-7")
        await task
        (slice_id,) = world.service.slices
        assert world.service.pods[slice_id][-1].node == "node-7"
