"""The agent as a device plugin of the real kubelet: the same suite as over the fake one."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.fake_kubelet import PodRefusedError
from tests.support.kube.api import Api
from tests.support.kube.images import PAUSE
from tests.support.kube.manifests import container, pod, real_pod
from tests.support.kube.node import Node
from tests.support.kube.processes import wait_for
from tests.support.kubelet_conformance import KubeletSuite

pytestmark = [
    pytest.mark.kube,
]

_LENT = "sublet.dev/lent"
_WITHIN_S = 120


@dataclass
class RealKubelet:
    """The node's kubelet, and pods that ask for lent room."""

    node: Node
    api: Api

    @property
    def folder(self) -> Path:
        return self.node.containerd.plugins

    def allocatable(self) -> int:
        status = self.api.get("v1", "Node", self.node.name)["status"]
        return int(status["allocatable"].get(_LENT, "0"))

    def run_pod(self, name: str, units: int) -> dict[str, str]:
        room = {"limits": {_LENT: str(units)}}
        inside = container(PAUSE, imagePullPolicy="Never", resources=room)
        self.api.create(pod(name, real_pod(inside)))
        deadline = time.monotonic() + _WITHIN_S
        while time.monotonic() < deadline:
            found = self.api.pod(name)
            phase = found["status"].get("phase")
            if phase == "Failed":
                raise PodRefusedError(found["status"].get("message", ""))
            if phase == "Running":
                uid = found["metadata"]["uid"]
                # It may still be on its way from its runtime to its program.
                given: dict[str, str] = wait_for(
                    lambda uid=uid: self._variables(uid),
                    _WITHIN_S,
                    f"a container of the pod {uid} to have a card",
                )
                return given
            time.sleep(0.2)
        raise AssertionError(self.api.story_of(name))

    def end_pod(self, name: str) -> None:
        self.api.delete("v1", "Pod", name, grace_s=0)
        deadline = time.monotonic() + _WITHIN_S
        while self.api.find("v1", "Pod", name) is not None:
            assert time.monotonic() < deadline, self.api.story_of(name)
            time.sleep(0.2)

    def restart(self) -> None:
        kubelet = self.node.kubelet
        command = list(kubelet.process.args)
        kubelet.stop()
        started = self.node.programs.start("kubelet", command[command.index("--") + 1 :])
        kubelet.process = started.process

    def _variables(self, uid: str) -> dict[str, str] | None:
        """What the container's process has been given; that of the sandbox has nothing of it."""
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):
                if process.info["name"] == "pause" and uid in self.node.cgroups_of(process.pid):
                    found = process.environ()
                    if "SUBLET_GPU_ID" in found:
                        return found
        return None


class TestRealKubelet(KubeletSuite):
    """The whole suite, over the real one."""

    @pytest.fixture
    def kubelet(self, node: Node, namespace: Api) -> Iterator[RealKubelet]:
        real = RealKubelet(node, namespace)
        yield real
        for each in namespace.pods():
            namespace.delete("v1", "Pod", each["metadata"]["name"], grace_s=0)
