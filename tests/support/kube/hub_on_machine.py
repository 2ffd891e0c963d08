"""A real JupyterHub on this machine whose servers are pods of the tests' cluster, and the service.

They listen at the address of the pods' bridge, where pods reach them; the hub comes into the
cluster with the rights that KubeSpawner's documentation asks for, and no more.
"""

import json
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import requests
from sublet_hub.host.private_files import write_private

from tests.support.kube.api import Api
from tests.support.kube.control_plane import NODE
from tests.support.kube.notebook_image import NOTEBOOK
from tests.support.kube.processes import Program, Programs, wait_for
from tests.support.kube.run_folder import Network

BIN: Final = Path(sys.executable).parent
ADMIN: Final = "root"
_START_S: Final = 120.0
_CONFIGURATION: Final = """
from pathlib import Path

from sublet_spawner.hub_configuration import ADMIN_SCOPES, SubletOnHub, configure

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
c.JupyterHub.concurrent_spawn_limit = 0
# A server that is elsewhere after a boot is reached once routes are looked at: every five minutes.
c.JupyterHub.last_activity_interval = 15
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {{"{admin}"}}
c.JupyterHub.services = [{{"name": "tests", "api_token": "{tests_token}"}}]
c.JupyterHub.load_roles = [
    {{
        "name": "tests",
        "services": ["tests"],
        "scopes": [
            *("admin:users", "admin:groups", "admin:servers", "tokens", "access:servers"),
            *ADMIN_SCOPES,
        ],
    }}
]
c.JupyterHub.spawner_class = "sublet_spawner.kube.KubeSliceSpawner"
c.KubeSpawner.namespace = "{namespace}"
c.KubeSpawner.image = "{image}"
c.KubeSpawner.image_pull_policy = "Never"
c.KubeSpawner.uid = 1000
c.KubeSpawner.gid = 1000
c.KubeSpawner.fs_gid = 1000
c.KubeSpawner.mem_guarantee = "64M"
c.KubeSpawner.mem_limit = "1G"
c.KubeSpawner.priority_class_name = "{priority_class}"
c.KubeSpawner.pvc_name_template = "claim-{{username}}"
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_class = "{storage_class}"
c.KubeSpawner.storage_capacity = "1Gi"
c.KubeSpawner.volumes = [
    {{"name": "home", "persistentVolumeClaim": {{"claimName": "claim-{{username}}"}}}}
]
c.KubeSpawner.volume_mounts = [{{"name": "home", "mountPath": "/home/notebook"}}]
c.KubeSpawner.profile_list = [
    {{"display_name": "Ordinary", "slug": "ordinary", "default": True}},
    {{
        "display_name": "All memory of the node but 7 GiB",
        "slug": "greedy",
        "kubespawner_override": {{"mem_guarantee": {most_of_node}, "mem_limit": None}},
    }},
]
c.KubeSpawner.working_dir = "/home/notebook"
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
c.KubeSpawner.start_timeout = 300
c.KubeSpawner.http_timeout = 120
c.KubeSpawner.poll_interval = 2
configure(
    c,
    SubletOnHub(
        token_file=Path("{folder}/token"),
        service_listens_at="http://{address}:{service}",
        service_url="http://{address}:{public}/services/sublet/",
        agent_socket="/run/sublet/agent.sock",
        simulated_socket="/run/sublet/gpus.sock",
    ),
)
c.KubeSliceSpawner.agent_host_folder = "{node_folder}"
c.KubeSliceSpawner.simulated_host_folder = "{node_folder}"
c.KubeSliceSpawner.job_python = "/opt/sublet/bin/python"
c.KubeSliceSpawner.owner_records = "{owner_records}"
"""

# What KubeSpawner's documentation asks for.
_HUB_RULES: Final = [
    {
        "apiGroups": [""],
        "resources": ["pods", "persistentvolumeclaims", "secrets", "services"],
        "verbs": ["get", "watch", "list", "create", "delete"],
    },
    {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "watch", "list"]},
]


def ports_from(first: int) -> Mapping[str, int]:
    """Return where all of it listens: nobody else does at a run's own addresses."""
    names = ("public", "hub", "proxy_api", "service")
    return {name: first + number for number, name in enumerate(names)}


@dataclass
class HubOnMachine:
    """The hub, its proxy and the service, with the ways into them."""

    programs: Programs
    api: Api
    network: Network
    folder: Path
    tests_token: str = field(default_factory=lambda: secrets.token_hex(16))
    running: dict[str, Program] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=lambda: ports_from(17101))
    priority_class: str = ""
    owner_records: str = ""
    """The object in which the chart's policy for jobs finds owners' servers, if there is one."""

    @property
    def address(self) -> str:
        """Where hub, proxy and service listen for users and pods."""
        return self.network.address

    @property
    def url(self) -> str:
        """Where users, their servers and their pods reach hub, servers and service."""
        return f"http://{self.address}:{self.ports['public']}"

    @property
    def node_folder(self) -> Path:
        """The folder of the node in which the agent makes its sockets for servers."""
        return self.folder / "tenants"

    @property
    def storage_class(self) -> str:
        """The one of the volumes that ``make_home`` makes."""
        return f"homes-{self.api.namespace}"

    def start(self, service_options: Mapping[str, str]) -> None:
        """Start the service, then the hub; returns when both answer through the proxy."""
        self.node_folder.mkdir(parents=True, exist_ok=True)
        write_private(self.folder / "token", secrets.token_hex(16).encode())
        configuration = _CONFIGURATION.format(
            **self.ports,
            address=self.address,
            proxy_address=self.network.own_address,
            proxy=BIN / "configurable-http-proxy",
            folder=self.folder,
            node_folder=self.node_folder,
            tests_token=self.tests_token,
            namespace=self.api.namespace,
            image=NOTEBOOK,
            admin=ADMIN,
            priority_class=self.priority_class,
            owner_records=self.owner_records,
            storage_class=self.storage_class,
            most_of_node=psutil.virtual_memory().total - 7 * 1024**3,
        )
        write_private(self.folder / "jupyterhub_config.py", configuration.encode())
        self.start_service(service_options)
        self.start_hub()
        wait_for(self._answers, _START_S, lambda: f"the hub:\n{self.running['hub'].tail()}")

    def start_service(self, options: Mapping[str, str]) -> None:
        """Start the service, or start it again."""
        own = {
            "ip": self.address,
            "port": str(self.ports["service"]),
            "hub-api-url": f"http://{self.address}:{self.ports['hub']}/hub/api",
            "token-file": str(self.folder / "token"),
            "state-folder": str(self.folder / "state"),
            "node-secrets-folder": str(self.folder / "nodes"),
            "SubletHub.hub_check_s": "1",
            "log-level": "DEBUG",
        }
        words = [f"--{name}={value}" for name, value in {**own, **options}.items()]
        self.running["service"] = self.programs.start("sublet-hub", [BIN / "sublet-hub", *words])

    def start_hub(self) -> None:
        """Start the hub, or start it again."""
        account = hub_account(self.api)
        self.running["hub"] = self.programs.start(
            "jupyterhub",
            [sys.executable, "-m", "jupyterhub", "-f", self.folder / "jupyterhub_config.py"],
            {"KUBECONFIG": str(account), "PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin"},
        )

    def hub_call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the hub's API."""
        return self.call(method, f"/hub/api/{path}", body)

    def service_call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the service's API, as an admin."""
        return self.call(method, f"/services/sublet/api/{path}", body)

    def call(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        """Ask whatever the proxy leads to; returns the status and what was answered."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                self.url + path,
                headers={"Authorization": f"token {token or self.tests_token}"},
                json=body,
                timeout=310,
            )
        try:
            return answer.status_code, answer.json()
        except json.JSONDecodeError:
            return answer.status_code, answer.text

    def start_server(self, user: str, **options: Any) -> None:
        """Start the server of a user, who is made where there is none; returns when it is ready."""
        self.add_user(user)
        refusal = self.try_server(user, **options)
        assert refusal is None, f"{refusal}\n{self._story_of(user)}"

    def try_server(self, user: str, **options: Any) -> str | None:
        """Start a user's server; returns None once it is ready, else why there is none."""
        status, answer = self.hub_call("POST", f"users/{user}/server", options)
        if status == 202:
            # It is only accepted yet, as whatever takes the hub longer than some seconds.
            status, answer = self.hub_call("GET", f"users/{user}/server/progress")
            events = re.findall(r"^data:(.*)$", str(answer), re.MULTILINE)
            last = json.loads(events[-1]) if events else {"message": answer}
            return None if last.get("ready") else str(last["message"])
        return None if status == 201 else json.dumps(answer)

    def add_user(self, user: str) -> None:
        """Make a user, and a home for them."""
        self.hub_call("POST", f"users/{user}")
        self.make_home(user)

    def add_group(self, group: str, users: Sequence[str]) -> None:
        """Make a group of users, with a home for each."""
        for path, body in (
            ("users", {"usernames": users}),
            (f"groups/{group}", None),
            (f"groups/{group}/users", {"users": users}),
        ):
            status, answer = self.hub_call("POST", path, body)
            assert status in (200, 201), answer
        for user in users:
            self.make_home(user)

    def home(self, user: str) -> Path:
        """The folder of the node that is a user's home volume."""
        return self.folder / "homes" / user

    def make_home(self, user: str) -> None:
        """Make a volume of one node for a user's home, as an admin of a cluster would."""
        if self.home(user).exists():
            return
        self.home(user).mkdir(parents=True)
        namespace = self.api.namespace
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
        self.api.create(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": f"home-of-{user}-{namespace}"},
                "spec": {
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": self.storage_class,
                    "claimRef": {"namespace": namespace, "name": f"claim-{user}"},
                    "local": {"path": str(self.home(user))},
                    "nodeAffinity": {
                        "required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}
                    },
                },
            }
        )

    def stop_server(self, user: str) -> None:
        """Stop a user's server, and wait until it is gone."""
        self.hub_call("DELETE", f"users/{user}/server")
        wait_for(lambda: not self._server(user), 120, f"the server of {user} to end")

    def pod_of(self, user: str) -> dict[str, Any]:
        """Return the pod of a user's server."""
        pods = self.api.pods(f"hub.jupyter.org/username={user}")
        assert len(pods) == 1, f"{user} has {len(pods)} pods"
        return pods[0]

    def stop(self) -> None:
        """End hub and service; the servers of users go with the hub."""
        for program in (self.running[name] for name in ("hub", "service") if name in self.running):
            program.stop(60)

    def _server(self, user: str) -> dict[str, Any] | None:
        _, found = self.hub_call("GET", f"users/{user}")
        server: dict[str, Any] | None = found["servers"].get("")
        return server

    def _story_of(self, user: str) -> str:
        pods = self.api.pods(f"hub.jupyter.org/username={user}")
        stories = [self.api.story_of(pod["metadata"]["name"]) for pod in pods]
        hub = self.running["hub"].tail()
        return f"the server of {user} to be ready\n" + "\n".join([*stories, hub])

    def _answers(self) -> bool:
        for program in self.running.values():
            program.must_run()
        try:
            hub, _ = self.hub_call("GET", "user")
            service, _ = self.service_call("GET", "openapi.json")
        except requests.ConnectionError:
            return False
        return (hub, service) == (200, 200)


def hub_account(api: Api) -> Path:
    """Give the hub an account of its own in the cluster; returns the file with its way in."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "hub"}}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "hub"}}
    subject = {"kind": "ServiceAccount", "name": "hub", "namespace": api.namespace}
    if api.find("v1", "ServiceAccount", "hub") is None:
        api.create(account)
        api.create({**role, "kind": "Role", "rules": _HUB_RULES})
        api.create(
            {
                **role,
                "kind": "RoleBinding",
                "subjects": [subject],
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "Role",
                    "name": "hub",
                },
            }
        )
    return api.account_kubeconfig("hub")
