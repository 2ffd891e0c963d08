"""What a server asks of its node beside the GPU: as the cluster's scheduler adds it up."""

from pathlib import Path
from typing import Any

import pytest
from sublet_quota.wire.api import Problem, TakenOfNode
from sublet_spawner.local import SimpleSliceSpawner
from sublet_spawner.node_takes import taken_by

from tests.spawner.kube_world import POD, a_world
from tests.spawner.spawners import WORDS, a_spawner, refusal_of
from tests.support.fake_service import fake_service

GIB = 1024


def container(cpu: Any = None, memory: Any = None, **more: Any) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}, **more}


def taken(cpu_milli: int = 0, memory_mib: int = 0, of_cap_milli: int = 0) -> TakenOfNode:
    return TakenOfNode(cpu_milli=cpu_milli, memory_mib=memory_mib, of_cap_milli=of_cap_milli)


LIMITS = {"resources": {"limits": {"cpu": 2, "memory": "1Gi"}, "requests": {"cpu": "250m"}}}
STAYS = container("300m", restartPolicy="Always")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": [container("500m", "2Gi")]}, taken(500, 2048)),
        ({"containers": [container(0.5, 2**30 + 1)]}, taken(500, 1025)),
        ({"containers": [{}, {"resources": None}]}, taken()),
        ({"containers": [LIMITS]}, taken(250, GIB)),
        ({"containers": [container(1, "1Gi"), container(2, "1Gi")]}, taken(3000, 2048)),
        (
            {"containers": [container(1)], "initContainers": [container(4, "1Gi"), container(2)]},
            taken(4000, GIB),
        ),
        ({"containers": [container(1)], "initContainers": [STAYS, container(1)]}, taken(1300)),
        ({"containers": [container(1)], "overhead": {"cpu": "100m"}}, taken(1100)),
        ({"containers": [container("much")]}, None),
        ({"containers": [container(memory="1e40")]}, None),
    ],
)
def test_containers_ask_as_the_scheduler_adds_them_up(
    spec: dict[str, Any], expected: TakenOfNode | None
) -> None:
    assert taken_by(spec) == expected


@pytest.mark.parametrize(("factor", "milli"), [(0, 0), (1, 1000), (0.5, 500), (0.0001, 1)])
def test_a_part_of_the_cap_is_told_in_thousandths_and_never_too_little(
    factor: float, milli: int
) -> None:
    assert taken_by({}, factor) == taken(of_cap_milli=milli)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, taken(0, 4 * GIB, 1000)),
        ({"cpu_limit": 4, "mem_guarantee": "1G"}, taken(4000, GIB, 1000)),
        ({"cpu_guarantee": 0.5, "cpu_limit": 4, "host_memory_factor": 0}, taken(500, 4 * GIB)),
        (
            {"extra_containers": [{"name": "s", **container("1", "1Gi")}]},
            taken(1000, 5 * GIB, 1000),
        ),
        (
            {"extra_container_config": {"resources": {"requests": {"cpu": "3"}}}},
            taken(3000, 0, 1000),
        ),
        (
            {
                "profile_list": [
                    {"display_name": "big", "kubespawner_override": {"cpu_guarantee": 7}}
                ]
            },
            taken(7000, 4 * GIB, 1000),
        ),
    ],
    ids=["limit", "guarantee", "no host memory", "beside", "in its place", "by a profile"],
)
async def test_the_service_is_told_what_the_pod_will_ask_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, expected: TakenOfNode
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.service.problem = Problem(reason="no-room", message=WORDS)
        for name, value in settings.items():
            setattr(world.spawner, name, value)
        await refusal_of(world.spawner)
        (request,) = world.service.requests
        assert request.takes == expected


@pytest.mark.asyncio
async def test_it_is_not_told_where_the_cluster_chooses_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.simulated_socket = ""
        world.spawner._as_configured["slice_backend"] = "volcano"
        world.service.problem = Problem(reason="no-room", message=WORDS)
        await refusal_of(world.spawner)
        (request,) = world.service.requests
        assert request.takes is None


@pytest.mark.asyncio
async def test_what_the_cluster_made_of_it_is_told_once_the_pod_has_its_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch, cpu_guarantee=1) as world:
        task = await world.starting()
        (slice_id,) = world.service.slices
        told = world.service.pods
        await world.until(lambda: told.get(slice_id), "the pod told")
        assert told[slice_id][0].takes is None
        # As a LimitRange, or a webhook, changes it.
        (server,) = world.pod["spec"]["containers"]
        server["resources"]["requests"] = {"cpu": "1500m", "memory": "9Gi"}
        world.cluster.schedule(POD, "node-7")
        await world.until(lambda: told[slice_id][-1].takes, "what it takes")
        assert told[slice_id][-1].takes == taken(1500, 9 * GIB)
        world.cluster.run(POD, "node-7")
        await task


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, None), ({"cpu_guarantee": 2, "mem_guarantee": "4G"}, taken(2000, 4 * GIB))],
)
async def test_of_a_server_on_a_machine_its_guarantees_are_told(
    tmp_path: Path, settings: Any, expected: TakenOfNode | None
) -> None:
    async with fake_service(tmp_path) as service:
        spawner = a_spawner(service, tmp_path, SimpleSliceSpawner, **settings)
        assert spawner.takes_of_node() == expected
        spawner.db.close()
