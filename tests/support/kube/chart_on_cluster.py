"""The chart installed in the tests' cluster with the real helm, and a hub beside it.

The hub is zero-to-jupyterhub's, of its versions and with its configuration, and runs on the machine
with what `helm/z2jh-values.yaml` tells it; the cluster has the Services and the Secret that
zero-to-jupyterhub makes.
"""

import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import yaml
from sublet_hub.one_machine.demo.jupyter_client import Person
from sublet_spawner.hub_configuration import ADMIN_SCOPES

from tests.support.helm_charts import run_helm
from tests.support.helm_documents import CHART, ROOT
from tests.support.helm_programs import find_helm
from tests.support.kube.api import Api, Manifest
from tests.support.kube.cluster_services import cluster_services
from tests.support.kube.control_plane import NODE
from tests.support.kube.hub_of_z2jh import CONFIGURATION, hub_of_z2jh, write_configuration
from tests.support.kube.hub_on_machine import ADMIN, BIN, HubOnMachine, hub_account, ports_from
from tests.support.kube.node import Node
from tests.support.kube.notebook_image import NOTEBOOK
from tests.support.kube.processes import wait_for
from tests.support.kube.programs import MissingError
from tests.support.kube.run_folder import cgroup_of

RELEASE: Final = "sublet"
KEY: Final = "hub.services.sublet.apiToken"
_CLAIM: Final = "state-of-sublet"
_READY_S: Final = 180
_END_S: Final = 300
_OURS: Final = """
c.JupyterHub.bind_url = "http://{address}:{public}"
c.JupyterHub.hub_bind_url = c.JupyterHub.hub_connect_url = "http://{address}:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://{proxy_address}:{proxy_api}"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.KubeSpawner.working_dir = "{home}"
c.KubeSpawner.http_timeout = 120
c.KubeSpawner.poll_interval = 2
"""
_OURS_OF_SUBLET: Final = """
# The machine does not know the cluster's names.
(service,) = (each for each in c.JupyterHub.services if each["name"] == "sublet")
service["url"] = "http://{service_address}:8901"
c.SliceSpawnerMixin.service_api_url = "http://{service_address}:8901/services/sublet/"
"""
_HOME: Final = "/home/notebook"


@dataclass
class HubBesideChart(HubOnMachine):
    """The hub alone: its service is the chart's."""

    token: str = field(default_factory=lambda: secrets.token_hex(16))
    proxy_token: str = field(default_factory=lambda: secrets.token_hex(16))

    def start_beside(self, service_address: str, *, is_told: bool = True) -> None:
        """Start the hub and its proxy; returns when they answer.

        ``is_told``: zero-to-jupyterhub was given ``helm/z2jh-values.yaml``.
        """
        secret = {
            KEY: self.token,
            "hub.services.tests.apiToken": self.tests_token,
            "hub.config.JupyterHub.cookie_secret": secrets.token_hex(32),
            "hub.config.CryptKeeper.keys": secrets.token_hex(32),
        }
        folder = self.folder / "hub"
        write_configuration(folder, self._values(service_address, is_told=is_told), secret)
        self._start_proxy()
        self.start_hub()
        wait_for(self._hub_answers, _READY_S, lambda: f"the hub:\n{self.running['hub'].tail()}")

    def start_hub(self) -> None:
        """Start the hub, which is told what the cluster tells a pod."""
        self.running["hub"] = self.programs.start(
            "jupyterhub-beside-chart",
            [hub_of_z2jh(), "-m", "jupyterhub", "-f", self.folder / "hub" / CONFIGURATION],
            {
                "KUBECONFIG": str(hub_account(self.api)),
                "PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin",
                "PYTHONPATH": str(ROOT),
                "POD_NAMESPACE": self.api.namespace,
                "HUB_SERVICE_PORT": "8081",
                "PROXY_API_SERVICE_PORT": "8001",
                "CONFIGPROXY_AUTH_TOKEN": self.proxy_token,
            },
        )

    def stop(self) -> None:
        """End hub and proxy."""
        super().stop()
        self.running["proxy"].stop()

    def _start_proxy(self) -> None:
        options = {
            "ip": self.address,
            "port": self.ports["public"],
            "api-ip": self.network.own_address,
            "api-port": self.ports["proxy_api"],
            "error-target": f"http://{self.address}:{self.ports['hub']}/hub/error",
        }
        self.running["proxy"] = self.programs.start(
            "proxy-beside-chart",
            [BIN / "configurable-http-proxy", *(f"--{k}={v}" for k, v in options.items())],
            {
                "CONFIGPROXY_AUTH_TOKEN": self.proxy_token,
                "PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin",
            },
        )

    def _values(self, service_address: str, *, is_told: bool) -> dict[str, Any]:
        """Return what zero-to-jupyterhub is told: our values for it, and what the tests need."""
        values: dict[str, Any] = yaml.safe_load((ROOT / "helm" / "z2jh-values.yaml").read_text())
        values["custom"]["sublet"] |= {
            "simulatedGpus": True,
            "tenantsFolder": str(self.node_folder),
            "tokenFile": str(self.folder / "token-of-the-hub"),
        }
        hub, singleuser = values["hub"], values["singleuser"]
        hub["config"]["JupyterHub"] |= {"authenticator_class": "dummy"}
        hub["config"]["Authenticator"] = {"allow_all": True, "admin_users": [ADMIN]}
        hub["services"] = {
            "sublet": {"apiToken": self.token},
            "tests": {"apiToken": self.tests_token},
        }
        scopes = ["admin:users", "admin:servers", "tokens", "access:servers"]
        if is_told:
            scopes += ADMIN_SCOPES
        hub["loadRoles"] = {"tests": {"services": ["tests"], "scopes": scopes}}
        ours = _OURS + _OURS_OF_SUBLET
        if not is_told:
            ours = _OURS
            del hub["services"]["sublet"], hub["extraConfig"]["zz-sublet"]
        hub["extraConfig"]["zzz-tests"] = ours.format(
            **self.ports,
            address=self.address,
            folder=self.folder,
            home=_HOME,
            proxy_address=self.network.own_address,
            service_address=service_address,
        )
        name, _, tag = NOTEBOOK.rpartition(":")
        claims = {"pvcNameTemplate": "claim-{username}", "storageClass": self.storage_class}
        singleuser |= {
            "image": {"name": name, "tag": tag, "pullPolicy": "Never"},
            "fsGid": 1000,
            "memory": {"guarantee": "64M", "limit": "1G"},
            "cloudMetadata": {"blockWithIptables": False},
            "storage": {"homeMountPath": _HOME, "capacity": "1Gi", "dynamic": claims},
        }
        # The cluster has the scheduler of every cluster.
        return {**values, "scheduling": {"userScheduler": {"enabled": False}}}

    def _hub_answers(self) -> bool:
        self.running["hub"].must_run()
        try:
            status, _ = self.hub_call("GET", "user")
        except requests.ConnectionError:
            return False
        return status == 200


@dataclass
class ChartOnCluster:
    """An installed chart."""

    api: Api
    hub: HubBesideChart
    folder: Path
    values: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with what the cluster's image and node ask for."""
        self.values = self._first_values()

    def helm(self, *words: str | Path, values: Mapping[str, Any] | None = None) -> str:
        """Run helm in the release's namespace."""
        return run_helm(
            *(*words, "--namespace", self.api.namespace),
            values=values,
            kubeconfig=self.api.plane.kubeconfig(),
        )

    def upgrade(self, *, wait: bool = True, **changes: Any) -> None:
        """Install the chart, or upgrade it; by default returns when all is as it was asked for.

        Simulated cards are never replaced by helm: with a change of theirs it would wait in vain.
        """
        self.values |= changes
        waiting = ("--wait", "--timeout", f"{_READY_S}s") if wait else ()
        try:
            self.helm("upgrade", "--install", RELEASE, CHART, *waiting, values=self.values)
        except Exception as error:
            error.add_note(self.story())
            raise

    def wait_until_card_is_known(self) -> None:
        """Wait until the service answers through the hub's proxy, and hears the agent.

        A pod that is ready is not where its Service leads to yet.
        """

        def is_known() -> bool:
            status, gpus = self.hub.service_call("GET", "gpus")
            return status == 200 and any(not each["silent"] for each in gpus)

        wait_for(is_known, _READY_S, lambda: f"the agent's card to be known\n{self.story()}")

    @property
    def service_address(self) -> str:
        """Where the service is reached in the cluster."""
        return str(self.api.get("v1", "Service", RELEASE)["spec"]["clusterIP"])

    def person(self, name: str) -> Person:
        """Return a user of the hub, logged in."""
        status, answer = self.hub.hub_call("POST", f"users/{name}/tokens", {"note": "tests"})
        assert status == 201, answer
        return Person(self.hub.url, name, "", token=answer["token"])

    def pods(self, component: str) -> list[Manifest]:
        """Return the pods of a part of the chart that are not about to go."""
        labels = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={component}"
        return [pod for pod in self.api.pods(labels) if "deletionTimestamp" not in pod["metadata"]]

    def logs(self, component: str) -> str:
        """Return what a part's pods said."""
        return "\n".join(self.api.log(pod["metadata"]["name"]) for pod in self.pods(component))

    def story(self) -> str:
        """Say in words how the chart's pods are."""
        parts = ("service", "agent", "simulated-gpus", "check")
        pods = [pod for part in parts for pod in self.pods(part)]
        return "\n".join(self._story_of(pod["metadata"]["name"]) for pod in pods)

    def _story_of(self, name: str) -> str:
        told = [self.api.story_of(name)[-3000:]]
        for before in (True, False):
            try:
                told.append(self.api.log(name, before=before)[-2000:])
            except Exception as error:  # noqa: BLE001 - it is only told
                told.append(str(error))
        return "\n".join(told)

    def _first_values(self) -> dict[str, Any]:
        repository, _, tag = NOTEBOOK.rpartition(":")
        return {
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "service": {
                "persistence": {"existingClaim": _CLAIM},
                "settings": {"hub_check_s": 1, "log_level": "DEBUG"},
            },
            "agent": {
                "hostPaths": {
                    "tenants": str(self.hub.node_folder),
                    "journal": str(self.folder / "journal"),
                },
                "settings": {"kubelet_cgroup_root": f"/{cgroup_of(self.hub.programs.folder)}"},
                "terminationGracePeriodSeconds": 10,
            },
            "simulatedGpus": {
                "enabled": True,
                "memoryGib": 6,
                "speed": 20,
                # Pretended nodes run nothing.
                "nodeSelector": {"kubernetes.io/hostname": NODE},
            },
            "quota": {"pools": [{"name": "interactive", "idle_after": "1h"}]},
        }


@contextmanager
def place_for_chart(
    cluster: Api, node: Node, folders: pytest.TempPathFactory, name: str
) -> Iterator[tuple[Api, Path]]:
    """A namespace and a folder of this name, and its services answer; skips where none can be."""
    try:
        find_helm()
        hub_of_z2jh()
    except MissingError as missing:
        pytest.skip(str(missing))
    folder = folders.mktemp(name)
    # Pods that are not root must reach what is below.
    for each in (folder, *folder.parents[:2]):
        # What is open to all, such as /tmp itself, stays so.
        each.chmod(stat.S_IMODE(each.stat().st_mode) | 0o755)
    api = cluster.make_namespace(name)
    with cluster_services(cluster, node):
        yield api, folder
        cluster.delete("v1", "Namespace", name)
        # A node has one agent: another's device plugin would take the kubelet from it, and it again
        # from that, until it has ended.
        pods = lambda: [each["metadata"]["name"] for each in api.pods()]  # noqa: E731
        wait_for(lambda: not pods(), _END_S, lambda: f"the pods {pods()} to end")


def install_chart(api: Api, node: Node, folder: Path) -> ChartOnCluster:
    """Install it, and start a hub beside it; returns when the service knows of the agent's card."""
    chart = chart_before_install(api, node, folder)
    make_secret_of_z2jh(api, {KEY: chart.hub.token})
    chart.upgrade()
    chart.hub.start_beside(chart.service_address)
    chart.wait_until_card_is_known()
    return chart


def chart_before_install(api: Api, node: Node, folder: Path) -> ChartOnCluster:
    """Return a chart that is not installed yet, where all but the Secret of z2jh is there."""
    hub = HubBesideChart(node.programs, api, node.network, folder, ports=ports_from(17201))
    hub.node_folder.mkdir(parents=True)
    _make_services_of_z2jh(api, hub)
    _make_volume(api, folder / "volume")
    return ChartOnCluster(api, hub, folder)


def make_secret_of_z2jh(api: Api, content: Mapping[str, str]) -> None:
    """Make the Secret that zero-to-jupyterhub makes, or make it anew."""
    api.delete("v1", "Secret", "hub")
    api.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "hub"},
            "stringData": dict(content),
        }
    )


def _make_services_of_z2jh(api: Api, hub: HubBesideChart) -> None:
    for name, port, behind in (
        ("hub", 8081, hub.ports["hub"]),
        ("proxy-public", 80, hub.ports["public"]),
    ):
        about = {"metadata": {"name": name}, "apiVersion": "v1"}
        api.create({**about, "kind": "Service", "spec": {"ports": [{"port": port}]}})
        subset = {"addresses": [{"ip": hub.address}], "ports": [{"port": behind}]}
        api.create({**about, "kind": "Endpoints", "subsets": [subset]})


def _make_volume(api: Api, folder: Path) -> None:
    """Make a volume of the kind whose files the kubelet gives to the pod's group."""
    folder.mkdir(parents=True)
    term = {
        "matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]
    }
    size = {"storage": "1Gi"}
    name = f"state-{api.namespace}"
    api.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": size,
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": name,
                "persistentVolumeReclaimPolicy": "Retain",
                "local": {"path": str(folder)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
            },
        }
    )
    api.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": _CLAIM},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": name,
                "resources": {"requests": size},
            },
        }
    )
