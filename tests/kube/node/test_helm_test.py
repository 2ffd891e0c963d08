"""An installation as an admin goes through it, with each mistake on the way, on a real node.

The first and the last are `helm test` itself; between them what it runs reads and asks with its own
account, and is not waited for until it is sure.
"""

import copy
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sublet_quota.reasons.installation.faults import Fault

from tests.support.helm_programs import find_helm
from tests.support.kube.api import Api
from tests.support.kube.chart_on_cluster import (
    KEY,
    RELEASE,
    ChartOnCluster,
    chart_before_install,
    make_secret_of_z2jh,
    place_for_chart,
)
from tests.support.kube.checked_release import CheckedRelease
from tests.support.kube.control_plane import NODE
from tests.support.kube.node import Node

pytestmark = [
    pytest.mark.kube,
]

GOOD = {"pools": [{"name": "interactive", "idle_after": "1h"}]}
# What helm's schema cannot see.
WRONG = {"everyone": {"sizes": ["huge"]}}


@dataclass
class Installation:
    """The chart on its way to work, and what the check says of it."""

    chart: ChartOnCluster
    release: CheckedRelease

    def upgrade(self, **changes: Any) -> None:
        """Upgrade with changes by part, which last."""
        for part, values in changes.items():
            self.chart.values[part] = {**self.chart.values.get(part, {}), **values}
        self.release.install(copy.deepcopy(self.chart.values))

    def until_told(self, *faults: Fault) -> str:
        """Wait for exactly these faults; returns their sentences."""
        service = f"http://{self.chart.service_address}:8901/services/sublet/"
        proxy = f"{self.chart.hub.url}/services/sublet/"
        self.release.addresses = {"service_url": service, "proxy_url": proxy}
        return self.release.until_told(*faults, story=self.chart.story)

    def helm_test(self) -> str:
        """What an admin reads."""
        self.release.remove_rights()
        where = ("--namespace", self.chart.api.namespace)
        way_in = ("--kubeconfig", self.chart.api.plane.kubeconfig())
        command = [find_helm(), "test", *where, RELEASE, *way_in]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # What it was allowed is gone with it.
        assert self.chart.api.find("v1", "ServiceAccount", f"{RELEASE}-check") is None
        self.release.make_rights()
        return f"{done.returncode}: {done.stdout}{done.stderr}"

    def begin_anew(self, part: str) -> None:
        """Have a part's pods made anew, which wait for longer each time."""
        for pod in self.chart.pods(part):
            self.chart.api.delete("v1", "Pod", pod["metadata"]["name"], grace_s=1)


@pytest.fixture(scope="module")
def installation(
    cluster: Api, node: Node, notebook_image_on_node: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    assert notebook_image_on_node
    with place_for_chart(cluster, node, tmp_path_factory, "installation") as (api, folder):
        chart = chart_before_install(api, node, folder)
        made = Installation(chart, CheckedRelease(api))
        yield made
        if chart.hub.running:
            chart.hub.stop()
        made.release.remove_rights()
        made.release.helm("uninstall", RELEASE, "--wait")


def test_without_zero_to_jupyterhub_helm_test_names_its_secret(installation: Installation) -> None:
    # No simulated GPUs: agents look for a driver, which their containers do not have.
    installation.chart.values["simulatedGpus"] = {"enabled": False}
    here = {"nvidia.com/gpu.present": None, "kubernetes.io/hostname": NODE}
    installation.upgrade(agent={"nodeSelector": here}, quota=GOOD)
    said = installation.helm_test()
    assert "The service waits for its token: there is no Secret hub in installation" in said
    assert not said.startswith("0")
    told = installation.until_told(Fault.TOKEN_SECRET, Fault.NO_DRIVER)
    assert "Agents cannot work as they are set up: " in told
    assert "name the RuntimeClass of NVIDIA's container toolkit (agent.runtimeClassName" in told


def test_a_hub_that_was_not_told_of_the_service(installation: Installation) -> None:
    make_secret_of_z2jh(installation.chart.api, {"hub.services.tests.apiToken": "x"})
    installation.begin_anew("service")
    simulated = {"enabled": True, "memoryGib": 6, "nodeSelector": {"kubernetes.io/hostname": NODE}}
    installation.upgrade(simulatedGpus=simulated, agent={"nodeSelector": {}})
    told = installation.until_told(Fault.TOKEN_KEY)
    assert f"the Secret hub has no key {KEY}" in told


def test_an_image_that_no_node_has(installation: Installation) -> None:
    make_secret_of_z2jh(installation.chart.api, {KEY: installation.chart.hub.token})
    tag = installation.chart.values["image"]["tag"]
    installation.upgrade(image={"tag": "not-there"})
    told = installation.until_told(Fault.IMAGE, Fault.IMAGE)
    assert "The image of the service cannot be had: " in told
    assert "The image of the agents cannot be had: " in told
    assert 'not-there" is not present' in told
    installation.upgrade(image={"tag": tag})


def test_a_quota_document_that_is_wrong_at_the_start(installation: Installation) -> None:
    installation.upgrade(quota=WRONG)
    installation.begin_anew("service")
    told = installation.until_told(Fault.ENDS)
    assert "The program of the service ends as soon as it starts: " in told
    assert "'huge', which is not in `sizes`" in told


def test_a_hub_that_knows_neither_token_nor_route(installation: Installation) -> None:
    installation.chart.values["quota"] = {}
    installation.upgrade(quota=GOOD)
    installation.begin_anew("service")
    installation.chart.hub.start_beside(installation.chart.service_address, is_told=False)
    told = installation.until_told(Fault.TOKEN_REFUSED, Fault.NO_ROUTE)
    assert f"The hub does not know the service's token ({KEY} in the Secret hub)" in told
    assert "The hub's proxy has no way to the service" in told


def test_an_installation_with_which_nothing_is_wrong(installation: Installation) -> None:
    hub = installation.chart.hub
    hub.stop()
    hub.start_beside(installation.chart.service_address)
    installation.until_told()
    said = installation.helm_test()
    assert said.startswith("0")
    assert "Sublet works. 1 agent with 1 GPU. The GPUs are SIMULATED." in said


def test_agents_that_do_not_reach_the_service(installation: Installation) -> None:
    elsewhere = "https://nowhere.installation:8901/services/sublet/"
    installation.upgrade(agent={"serviceUrl": elsewhere})
    told = installation.until_told(Fault.AGENTS_UNHEARD)
    assert f"they do not reach the service at {elsewhere}" in told
    installation.upgrade(agent={"serviceUrl": ""})


def test_a_service_that_may_not_ask_about_agents_and_a_hub_that_is_away(
    installation: Installation,
) -> None:
    api = installation.chart.api
    kind = ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding")
    binding = api.get(*kind, f"installation-{RELEASE}")
    api.delete(*kind, binding["metadata"]["name"])
    installation.chart.hub.running["hub"].stop(60)
    try:
        installation.begin_anew("agent")
        told = installation.until_told(Fault.HUB_UNREACHABLE, Fault.AGENTS_REFUSED)
    finally:
        binding["metadata"] = {"name": binding["metadata"]["name"]}
        api.create(binding)
        installation.chart.hub.start_hub()
    assert "The service cannot reach the hub at http://hub.installation:8081/hub/api" in told
    assert (
        "Of 1 agents that run 0 report: the service refuses others, for the service cannot" in told
    )
