"""The cluster's node is real: its pods are processes of this machine, in cgroups of their own."""

from pathlib import Path

import psutil
import pytest

from tests.support.kube.api import Api
from tests.support.kube.images import PAUSE
from tests.support.kube.manifests import container, pod, real_pod
from tests.support.kube.node import Node
from tests.support.kube.processes import wait_for

pytestmark = [
    pytest.mark.kube,
]


def test_a_pod_is_a_process_whose_cgroup_names_the_pod(namespace: Api, node: Node) -> None:
    namespace.create(pod("notebook", real_pod(container(PAUSE, imagePullPolicy="Never"))))
    running = namespace.wait_for_phase("notebook", "Running")
    uid = running["metadata"]["uid"]

    def both() -> list[psutil.Process]:
        found = [
            process
            for process in psutil.process_iter(["name"])
            if process.info["name"] == "pause" and uid in node.cgroups_of(process.pid)
        ]
        assert len(found) <= 2
        return found if len(found) == 2 else []

    # A container that is said to run may still be on its way from its runtime to its program.
    found = wait_for(both, 60, "the sandbox and the container")
    namespace.delete("v1", "Pod", "notebook")
    wait_for(lambda: not any(each.is_running() for each in found), 60, "the processes to end")


def test_a_pod_has_an_address_of_the_nodes_network(namespace: Api, node: Node) -> None:
    namespace.create(pod("notebook", real_pod(container(PAUSE, imagePullPolicy="Never"))))
    running = namespace.wait_for_phase("notebook", "Running")
    assert running["status"]["hostIP"] == node.network.address
    assert running["status"]["podIP"].startswith(node.network.pods.removesuffix("0/24"))


def test_the_address_of_the_pods_bridge_does_not_go_with_a_pod(namespace: Api, node: Node) -> None:
    bridge = Path("/sys/class/net", node.network.bridge)
    namespace.create(pod("notebook", real_pod(container(PAUSE, imagePullPolicy="Never"))))
    namespace.wait_for_phase("notebook", "Running")
    ports = {address_of(port.name) for port in bridge.glob("brif/*")}
    assert ports - {""}
    assert address_of(bridge.name) not in ports


def address_of(device: str) -> str:
    """A network device's own; empty of one that has gone meanwhile, as that of a pod of before."""
    try:
        return Path("/sys/class/net", device, "address").read_text()
    except OSError:
        return ""
