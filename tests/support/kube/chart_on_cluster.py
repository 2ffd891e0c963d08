"""The chart installed in the tests' cluster with the real helm, and a hub beside it.

The hub runs on the machine, with what `helm/z2jh-values.yaml` tells zero-to-jupyterhub's; the
cluster has the Services and the Secret that zero-to-jupyterhub makes.
"""

import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
import yaml
from sublet_hub.host.private_files import write_private
from sublet_hub.one_machine.demo.jupyter_client import Person

from tests.support.helm_charts import run_helm
from tests.support.helm_documents import CHART, ROOT
from tests.support.kube.api import Api, Manifest
from tests.support.kube.control_plane import NODE
from tests.support.kube.hub_on_machine import ADMIN, BIN, HubOnMachine, hub_account, ports_from
from tests.support.kube.node import Node
from tests.support.kube.notebook_image import NOTEBOOK
from tests.support.kube.processes import wait_for
from tests.support.kube.run_folder import cgroup_of

RELEASE: Final = "sublet"
KEY: Final = "hub.services.sublet.apiToken"
_CLAIM: Final = "state-of-sublet"
_READY_S: Final = 180
_HUB: Final = """
import json
import sys
from pathlib import Path

sys.path.insert(0, {root!r})
from sublet_spawner.hub_configuration import ADMIN_SCOPES
from tests.support.fake_z2jh import fake_z2jh

c = get_config()  # noqa: F821
c.JupyterHub.bind_url = "http://{address}:{public}"
c.JupyterHub.hub_ip = "{address}"
c.JupyterHub.hub_port = {hub}
c.ConfigurableHTTPProxy.api_url = "http://{proxy_address}:{proxy_api}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.JupyterHub.cleanup_servers = True
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {{"{admin}"}}
c.JupyterHub.load_roles = [
    {{
        "name": "tests",
        "services": ["tests"],
        "scopes": ["admin:users", "admin:servers", "tokens", "access:servers", *ADMIN_SCOPES],
    }}
]
c.KubeSpawner.namespace = "{namespace}"
c.KubeSpawner.image = "{image}"
c.KubeSpawner.image_pull_policy = "Never"
c.KubeSpawner.uid = 1000
c.KubeSpawner.gid = 1000
c.KubeSpawner.working_dir = "/home/notebook"
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
c.KubeSpawner.start_timeout = 300
c.KubeSpawner.http_timeout = 120
c.KubeSpawner.poll_interval = 2

# From here on as in zero-to-jupyterhub's hub.
token = Path("{folder}/token").read_text()
c.JupyterHub.services = [
    {{"name": "tests", "api_token": "{tests_token}"}},
    {{"name": "sublet", "api_token": token}},
]
values = json.loads(Path("{folder}/z2jh-values.json").read_text())
sys.modules["z2jh"] = fake_z2jh(values, {{"{key}": token}})
for name in sorted(values["hub"]["extraConfig"]):
    exec(values["hub"]["extraConfig"][name])

# The machine does not know the cluster's names.
c.JupyterHub.services[-1]["url"] = "http://{service_address}:8901"
c.SliceSpawnerMixin.service_api_url = "http://{service_address}:8901/services/sublet/"
"""


@dataclass
class HubBesideChart(HubOnMachine):
    """The hub alone: its service is the chart's."""

    token: str = field(default_factory=lambda: secrets.token_hex(16))

    def start_beside(self, service_address: str) -> None:
        """Start the hub; returns when it answers."""
        write_private(self.folder / "token", self.token.encode())
        values = yaml.safe_load((ROOT / "helm" / "z2jh-values.yaml").read_text())
        values["custom"]["sublet"] |= {
            "simulatedGpus": True,
            "tenantsFolder": str(self.node_folder),
            "tokenFile": str(self.folder / "token-of-the-hub"),
        }
        (self.folder / "z2jh-values.json").write_text(json.dumps(values))
        configuration = _HUB.format(
            **self.ports,
            proxy_address=self.network.own_address,
            root=str(ROOT),
            address=self.address,
            admin=ADMIN,
            folder=self.folder,
            image=NOTEBOOK,
            key=KEY,
            namespace=self.api.namespace,
            proxy=BIN / "configurable-http-proxy",
            service_address=service_address,
            tests_token=self.tests_token,
        )
        write_private(self.folder / "jupyterhub_config.py", configuration.encode())
        self.start_hub()
        wait_for(self._hub_answers, _READY_S, lambda: f"the hub:\n{self.running['hub'].tail()}")

    def start_hub(self) -> None:
        """Start the hub, which knows the namespace as in a pod."""
        self.running["hub"] = self.programs.start(
            "jupyterhub-beside-chart",
            [sys.executable, "-m", "jupyterhub", "-f", self.folder / "jupyterhub_config.py"],
            {
                "KUBECONFIG": str(hub_account(self.api)),
                "PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin",
                "POD_NAMESPACE": self.api.namespace,
            },
        )

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
                "speed": 20,
                # Pretended nodes run nothing.
                "nodeSelector": {"kubernetes.io/hostname": NODE},
            },
            "quota": {"pools": {"interactive": {"idle_after": "1h"}}},
        }


def install_chart(api: Api, node: Node, folder: Path) -> ChartOnCluster:
    """Install it in the namespace of ``api``, and start a hub beside it."""
    hub = HubBesideChart(node.programs, api, node.network, folder, ports=ports_from(17201))
    hub.node_folder.mkdir(parents=True)
    _make_what_z2jh_makes(api, hub)
    _make_volume(api, folder / "volume")
    chart = ChartOnCluster(api, hub, folder)
    chart.upgrade()
    hub.start_beside(api.get("v1", "Service", RELEASE)["spec"]["clusterIP"])
    return chart


def _make_what_z2jh_makes(api: Api, hub: HubBesideChart) -> None:
    api.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "hub"},
            "stringData": {KEY: hub.token},
        }
    )
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
