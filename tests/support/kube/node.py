"""A real node: kubelet and containerd on this machine, and a bridge with its pods' addresses.

What the kubelet sets in the kernel for itself is written down first, and set back at the end.
"""

import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.kube.api import Api
from tests.support.kube.containerd import BOOT_ID, Containerd, start_containerd
from tests.support.kube.control_plane import NODE, ControlPlane
from tests.support.kube.processes import Program, Programs, run, wait_for
from tests.support.kube.programs import MissingError, find, network_plugins
from tests.support.kube.run_folder import (
    Network,
    cgroup_of,
    end_programs,
    network_of,
    remember_bridge,
    remember_kernel_settings,
)

_READY_S: Final = 300.0
_END_S: Final = 300.0
_PORT: Final = 17050
_CGROUPS: Final = Path("/sys/fs/cgroup")
_NEEDED: Final = (
    *("containerd", "containerd-shim-runc-v2", "ctr", "runc"),
    *("ip", "nsenter", "unshare"),
)


@dataclass(frozen=True, slots=True)
class Node:
    """The node, under the name by which the cluster knows it."""

    programs: Programs
    containerd: Containerd
    kubelet: Program
    network: Network
    name: str = NODE

    def cgroups_of(self, pid: int) -> str:
        """Return which cgroups a process is in, as the kernel writes it."""
        try:
            return Path(f"/proc/{pid}/cgroup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return ""

    def cordon(self, api: Api, *, unschedulable: bool) -> None:
        """Have the node take nothing new, or take new pods again."""
        api.patch("v1", "Node", self.name, {"spec": {"unschedulable": unschedulable}})

    def cut_power(self) -> None:
        """End all that runs on it at once, and leave it so."""
        folder = self.programs.folder
        for program in (self.kubelet, self.containerd.program):
            program.kill()
            # Nobody asks any more whether they run.
            self.programs.running.remove(program)
        end_programs(folder, named=["containerd", "runc"])
        # What a machine keeps in memory alone.
        shutil.rmtree(folder / "containerd-state")

    def power_on(self, api: Api) -> None:
        """Start it again, as another boot of the machine; returns when it is ready."""
        boot = str(uuid.uuid4())
        (self.programs.folder / BOOT_ID).write_text(f"{boot}\n")
        kubelet = [str(each) for each in self.kubelet.process.args]  # type: ignore[union-attr]
        self.containerd.start_again(self.programs)
        inside = self.containerd.beside(*kubelet[kubelet.index("--", 4) + 1 :])
        self.kubelet.process = self.programs.start("kubelet", inside).process

        # What was told of it before its power was cut is still there.
        def is_back() -> bool:
            self.kubelet.must_run()
            told = api.get("v1", "Node", self.name)["status"]["nodeInfo"]
            return told["bootID"] == boot and _ready(self, api)

        wait_for(is_back, _READY_S, lambda: f"the node:\n{self.kubelet.tail()}")

    def ensure_power(self, api: Api) -> None:
        """Start it again where its power was cut."""
        # Not whether it is among the programs: one that was started again is there twice.
        if self.kubelet.process.poll() is not None:
            self.power_on(api)

    def reboot(self, api: Api) -> None:
        """Cut its power and give it back; returns when it is ready."""
        self.cut_power()
        self.power_on(api)

    def stop(self, api: Api) -> None:
        """End its pods, then its programs: in this order nothing stays behind."""
        _delete_pods(api)
        self.kubelet.stop()
        self.containerd.end_containers()
        self.containerd.program.stop()


def must_be_possible() -> None:
    """Say what keeps a node from running on this machine."""
    if os.geteuid() != 0:
        message = "a node's containers need root, and the tests run as another user"
        raise MissingError(message)
    for program in _NEEDED:
        find(program)
    network_plugins()
    try:
        # What a container needs of the kernel: namespaces, mounts, and a bridge.
        run(
            *("unshare", "--mount", "--net", "--pid", "--fork", "--"),
            *("sh", "-c", "mount -t tmpfs none /mnt && ip link add trial type bridge"),
        )
    except RuntimeError as error:
        message = f"this machine does not allow containers: {error}"
        raise MissingError(message) from error


def start_node(plane: ControlPlane, api: Api) -> Node:
    """Start containerd and the kubelet; returns when the node is ready."""
    programs = plane.programs
    folder = programs.folder
    network = network_of(folder)
    remember_kernel_settings(folder)
    _make_bridge(folder, network)
    containerd = start_containerd(programs, network)
    _make_cgroup(cgroup_of(folder))
    configuration = folder / "kubelet.json"
    configuration.write_text(json.dumps(_configuration(folder, network)))
    kubelet = programs.start(
        "kubelet",
        containerd.beside(
            find("kubelet"),
            f"--config={configuration}",
            f"--kubeconfig={plane.kubeconfig(f'system:node:{NODE}')}",
            f"--root-dir={folder / 'kubelet'}",
            f"--cert-dir={folder / 'kubelet-certificates'}",
            f"--hostname-override={NODE}",
            f"--node-ip={network.address}",
        ),
    )
    node = Node(programs, containerd, kubelet, network)
    wait_for(lambda: _ready(node, api), _READY_S, lambda: f"the node:\n{kubelet.tail()}")
    return node


def _ready(node: Node, api: Api) -> bool:
    node.containerd.program.must_run()
    node.kubelet.must_run()
    found = api.find("v1", "Node", node.name)
    conditions = found["status"].get("conditions", []) if found else []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _make_bridge(folder: Path, network: Network) -> None:
    # The node's address must not be loopback, and not every kernel has devices of type dummy.
    remember_bridge(folder, network.bridge)
    ip = find("ip")
    run(ip, "link", "add", network.bridge, "type", "bridge")
    # Without an address of its own it has that of the port with the lowest one. When that pod goes,
    # the others go on sending to what is nobody's any more, and hear nothing for up to a minute.
    run(ip, "link", "set", network.bridge, "address", network.hardware_address)
    run(ip, "address", "add", f"{network.address}/24", "dev", network.bridge)
    run(ip, "link", "set", network.bridge, "up")


def _make_cgroup(name: str) -> None:
    """Make the cgroup of the run's pods in every hierarchy: the kubelet wants it to be there."""
    if (_CGROUPS / "cgroup.controllers").exists():
        (_CGROUPS / name).mkdir(exist_ok=True)
        controllers = (_CGROUPS / "cgroup.controllers").read_text().split()
        enable = " ".join(f"+{each}" for each in controllers)
        (_CGROUPS / "cgroup.subtree_control").write_text(enable)
        return
    for hierarchy in _CGROUPS.iterdir():
        if (hierarchy / "cgroup.procs").exists() and hierarchy.name != "unified":
            group = hierarchy / name
            group.mkdir(exist_ok=True)
            if hierarchy.name == "cpuset":
                # A cpuset without processors and memory takes in no process.
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (group / file).write_text((hierarchy / file).read_text())


def _configuration(folder: Path, network: Network) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.address,
        "port": _PORT,
        "healthzPort": 0,
        "readOnlyPort": 0,
        # Only this machine and its pods reach the address.
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{folder}/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup_of(folder)}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "podLogsDir": str(folder / "pod-logs"),
        "volumePluginDir": str(folder / "volume-plugins"),
        "makeIPTablesUtilChains": False,
        # A developer's disk may be full by the measure of a server.
        "evictionHard": {"memory.available": "64Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        # How late the cluster may learn of lent room, and pods of a changed ConfigMap.
        "nodeStatusUpdateFrequency": "1s",
        "syncFrequency": "5s",
        "clusterDNS": [network.address],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "maxPods": 60,
    }


def _delete_pods(api: Api) -> None:
    def left() -> list[str]:
        path = f"/api/v1/pods?fieldSelector=spec.nodeName={NODE}"
        items = api.call("GET", path)["items"]
        for item in items:
            api.within(item["metadata"]["namespace"]).delete(
                "v1", "Pod", item["metadata"]["name"], grace_s=1
            )
        return [item["metadata"]["name"] for item in items]

    wait_for(lambda: not left(), _END_S, lambda: f"the pods {left()} to end")
