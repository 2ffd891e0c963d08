"""etcd, API server, controller manager and scheduler of one cluster: Kubernetes' own programs.

Users are told apart by tokens: an admin, the cluster's own programs, and whom a test adds. Nothing
survives its end.
"""

import datetime as dt
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from sublet_agent.durable_writes import replace_file

from tests.support.kube.certificates import Keys, make_keys
from tests.support.kube.processes import Programs, wait_for
from tests.support.kube.programs import find
from tests.support.kube.run_folder import Network, network_of

NODE: Final = "machine-1"
ADMIN: Final = "admin"
_START_S: Final = 300.0
GIVEN_UP_S: Final = 900
"""How long after its lease was renewed a node is given up: no test waits for it, and a thousand
nodes that renew theirs twice a minute keep the machine busy.
"""
# Nobody else listens at a run's own address.
_ETCD_PORT, _ETCD_PEERS_PORT, _API_PORT, _MANAGER_PORT, _SCHEDULER_PORT = range(17001, 17006)
_CONNECTIONS: Final = 32
_AUDIT_LOG: Final = "audit.log"
# By themselves they ask 20 times a second at most: a thousand nodes would take a minute to begin.
_HURRY: Final = ("--kube-api-qps=500", "--kube-api-burst=1000")
# Who came in as a service account of somebody's, and what was answered.
_AUDITED: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}
_GROUPS: Final[Mapping[str, str]] = {
    ADMIN: "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    # Not in `system:nodes`: what those may read follows from pods by a graph that comes late, and a
    # kubelet that was refused a claim or a ConfigMap waits ten seconds before it asks again.
    f"system:node:{NODE}": "system:masters",
}


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
    return session


@dataclass
class ControlPlane:
    """A running control plane, and the ways into it."""

    programs: Programs
    network: Network
    port: int
    keys: Keys
    tokens: dict[str, str] = field(default_factory=dict)
    session: requests.Session = field(default_factory=_session)
    """Keeps connections open: hundreds of handshakes would be half of the work."""

    def with_own_connections(self) -> "ControlPlane":
        """Return the same, with connections that are not those of others here."""
        return replace(self, session=_session())

    @property
    def url(self) -> str:
        return f"https://{self.network.own_address}:{self.port}"

    def asked_by(self, account: str) -> list[dict[str, Any]]:
        """Return what a service account (``NAMESPACE:NAME``) has asked for, and what came of it."""
        log = (self.programs.folder / _AUDIT_LOG).read_text()
        # The last line may be on its way.
        events = [json.loads(line) for line in log.splitlines(keepends=True) if line[-1] == "\n"]
        who = f"system:serviceaccount:{account}"
        return [each for each in events if each["user"]["username"] == who]

    def kubeconfig(self, user: str = ADMIN) -> Path:
        """Return a file with which a client, helm or a program comes in as a user."""
        return self.kubeconfig_with_token(user, self.tokens[user])

    def kubeconfig_with_token(self, user: str, token: str) -> Path:
        """Return such a file for whoever holds a token."""
        path = self.programs.folder / f"kubeconfig-{user.replace(':', '-')}"
        text = json.dumps(_kubeconfig(self.url, self.keys, user, token))
        # A program that was given the file may be reading it right now.
        if not path.exists() or path.read_text() != text:
            replace_file(path, text.encode())
        return path


def start_control_plane(programs: Programs) -> ControlPlane:
    """Start all four; returns when the API server answers, and pods may be made."""
    folder = programs.folder
    network = network_of(folder)
    own = network.own_address
    now = dt.datetime.now(tz=dt.UTC)
    addresses = [own, network.service_of_the_api, network.address]
    keys = make_keys(folder, addresses, now)
    tokens = {user: secrets.token_hex(16) for user in _GROUPS}
    plane = ControlPlane(programs, network, _API_PORT, keys, tokens)
    lines = [f'{tokens[user]},{user},{user},"{group}"' for user, group in _GROUPS.items()]
    token_file = folder / "tokens.csv"
    token_file.touch(mode=0o600)
    token_file.write_text("\n".join(lines) + "\n")
    audit_policy = folder / "audit.json"
    audit_policy.write_text(json.dumps(_AUDITED))
    etcd_url = f"http://{own}:{_ETCD_PORT}"
    peers_url = f"http://{own}:{_ETCD_PEERS_PORT}"
    programs.start(
        "etcd",
        [
            find("etcd"),
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={etcd_url}",
            f"--advertise-client-urls={etcd_url}",
            f"--listen-peer-urls={peers_url}",
            f"--initial-advertise-peer-urls={peers_url}",
            f"--initial-cluster=default={peers_url}",
            "--unsafe-no-fsync",
        ],
        # arm64 is a platform that etcd wants to be asked for.
        {"ETCD_UNSUPPORTED_ARCH": "arm64"},
    )
    programs.start(
        "kube-apiserver",
        [
            find("kube-apiserver"),
            f"--etcd-servers={etcd_url}",
            f"--bind-address={own}",
            f"--advertise-address={own}",
            f"--secure-port={_API_PORT}",
            f"--tls-cert-file={keys.server_certificate}",
            f"--tls-private-key-file={keys.server_key}",
            f"--token-auth-file={token_file}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={keys.accounts_key}",
            f"--service-account-signing-key-file={keys.accounts_key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={network.services}",
            # The address that it would write down, and check against, is loopback.
            "--endpoint-reconciler-type=none",
            "--kubelet-preferred-address-types=InternalIP",
            "--allow-privileged=true",
            "--delete-collection-workers=8",
            # It keeps pods off a node until a controller has seen that this is ready: a thousand
            # writes for a thousand nodes, which are ready as they are made.
            "--disable-admission-plugins=TaintNodesByCondition",
            # Clients ask for a list as a watch, which this etcd cannot serve: they would wait for a
            # minute and more before they ask for it as a list.
            "--feature-gates=WatchList=false",
            f"--audit-policy-file={audit_policy}",
            f"--audit-log-path={folder / _AUDIT_LOG}",
        ],
    )
    wait_for(lambda: _ready(plane), _START_S, "the API server to be ready")
    programs.start(
        "kube-controller-manager",
        [
            find("kube-controller-manager"),
            f"--kubeconfig={plane.kubeconfig('system:kube-controller-manager')}",
            f"--service-account-private-key-file={keys.accounts_key}",
            f"--root-ca-file={keys.authority}",
            "--use-service-account-credentials=true",
            f"--bind-address={own}",
            f"--secure-port={_MANAGER_PORT}",
            "--leader-elect=false",
            f"--node-monitor-grace-period={GIVEN_UP_S}s",
            *_HURRY,
        ],
    )
    programs.start(
        "kube-scheduler",
        [
            find("kube-scheduler"),
            f"--kubeconfig={plane.kubeconfig('system:kube-scheduler')}",
            f"--authentication-kubeconfig={plane.kubeconfig('system:kube-scheduler')}",
            f"--authorization-kubeconfig={plane.kubeconfig('system:kube-scheduler')}",
            f"--bind-address={own}",
            f"--secure-port={_SCHEDULER_PORT}",
            "--leader-elect=false",
            *_HURRY,
        ],
    )
    wait_for(lambda: _makes_accounts(plane), _START_S, "the controller manager to make accounts")
    return plane


def _makes_accounts(plane: ControlPlane) -> bool:
    return _answers(plane, "/api/v1/namespaces/default/serviceaccounts/default")


def _ready(plane: ControlPlane) -> bool:
    return _answers(plane, "/readyz")


def _answers(plane: ControlPlane, path: str) -> bool:
    plane.programs.must_run()
    headers = {"Authorization": f"Bearer {plane.tokens[ADMIN]}"}
    try:
        answer = plane.session.get(
            plane.url + path, headers=headers, verify=str(plane.keys.authority), timeout=5
        )
    except requests.RequestException:
        return False
    return answer.ok


def _kubeconfig(url: str, keys: Keys, user: str, token: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "tests",
                "cluster": {"server": url, "certificate-authority": str(keys.authority)},
            }
        ],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": user}}],
        "current-context": "tests",
    }
