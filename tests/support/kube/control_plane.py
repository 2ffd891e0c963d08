"""etcd, API server, controller manager and scheduler of one cluster: Kubernetes' own programs.

Users are told apart by tokens: an admin, the cluster's own programs, and whom a test adds. Nothing
survives its end.
"""

import datetime as dt
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import requests

from tests.support.hub_world_processes import free_ports
from tests.support.kube.certificates import Keys, make_keys
from tests.support.kube.processes import Programs, wait_for
from tests.support.kube.programs import find

NODE: Final = "machine-1"
SERVICES: Final = "10.213.0.0/16"
SERVICE_OF_THE_API: Final = "10.213.0.1"
ADMIN: Final = "admin"
_START_S: Final = 120.0
_GROUPS: Final[Mapping[str, str]] = {
    ADMIN: "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "system:kube-proxy": "",
    f"system:node:{NODE}": "system:nodes",
}


@dataclass
class ControlPlane:
    """A running control plane, and the ways into it."""

    programs: Programs
    port: int
    keys: Keys
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def kubeconfig(self, user: str = ADMIN) -> Path:
        """Return a file with which a client, helm or a program comes in as a user."""
        path = self.programs.folder / f"kubeconfig-{user.replace(':', '-')}"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(json.dumps(_kubeconfig(self.url, self.keys, user, self.tokens[user])))
        return path


def start_control_plane(
    programs: Programs, addresses: Sequence[str] = (), *, listens_at: str = "127.0.0.1"
) -> ControlPlane:
    """Start all four; returns when the API server answers, and pods may be made."""
    folder = programs.folder
    etcd_port, etcd_peers, port, manager, scheduler = free_ports(5)
    now = dt.datetime.now(tz=dt.UTC)
    keys = make_keys(folder, ["127.0.0.1", SERVICE_OF_THE_API, *addresses], now)
    tokens = {user: secrets.token_hex(16) for user in _GROUPS}
    plane = ControlPlane(programs, port, keys, tokens)
    lines = [f'{tokens[user]},{user},{user},"{group}"' for user, group in _GROUPS.items()]
    token_file = folder / "tokens.csv"
    token_file.touch(mode=0o600)
    token_file.write_text("\n".join(lines) + "\n")
    etcd_url = f"http://127.0.0.1:{etcd_port}"
    peers_url = f"http://127.0.0.1:{etcd_peers}"
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
            f"--bind-address={listens_at}",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={keys.server_certificate}",
            f"--tls-private-key-file={keys.server_key}",
            f"--token-auth-file={token_file}",
            "--authorization-mode=Node,RBAC",
            f"--service-account-key-file={keys.accounts_key}",
            f"--service-account-signing-key-file={keys.accounts_key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={SERVICES}",
            # The address that it would write down, and check against, is loopback.
            "--endpoint-reconciler-type=none",
            "--kubelet-preferred-address-types=InternalIP",
            "--allow-privileged=true",
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
            "--bind-address=127.0.0.1",
            f"--secure-port={manager}",
            "--leader-elect=false",
        ],
    )
    programs.start(
        "kube-scheduler",
        [
            find("kube-scheduler"),
            f"--kubeconfig={plane.kubeconfig('system:kube-scheduler')}",
            f"--authentication-kubeconfig={plane.kubeconfig('system:kube-scheduler')}",
            f"--authorization-kubeconfig={plane.kubeconfig('system:kube-scheduler')}",
            "--bind-address=127.0.0.1",
            f"--secure-port={scheduler}",
            "--leader-elect=false",
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
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(
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
