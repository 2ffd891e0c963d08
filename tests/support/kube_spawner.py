"""KubeSliceSpawner objects without a cluster, for tests of the pods they would make."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from kubernetes_asyncio.config import kube_config
from kubespawner import KubeSpawner
from kubespawner.clients import load_config
from sublet_quota.wire.api import Lease
from sublet_spawner.kube import KubeSliceSpawner
from traitlets.config import Config

NOWHERE = "http://127.0.0.1:9"


def point_clients_at(
    url: str, folder: Path, monkeypatch: Any, *, token: str = "", authority: Path | None = None
) -> None:
    """Have Kubernetes clients of this process go to ``url``, whatever the machine's own is."""
    secured = {} if authority is None else {"certificate-authority": str(authority)}
    access = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url, **secured}}],
        "users": [{"name": "test", "user": {"token": token or "of-the-test"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path = folder / "kubeconfig.yaml"
    path.write_text(yaml.safe_dump(access))
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    load_config.cache_clear()
    monkeypatch.setattr(KubeSpawner, "reflectors", {})


def a_lease(**changes: Any) -> Lease:
    values: dict[str, Any] = {
        "slice_id": "0123456789abcdef0123456789abcdef",
        "owner": "ada",
        "server": "",
        "holder": "notebook",
        "pool": "interactive",
        "node": "gpu-node-1",
        "gpu_id": "GPU-11111111-2222-3333-4444-555555555555",
        "gpu_index": 0,
        "gpu_type": "NVIDIA H100 80GB HBM3",
        "gpu_memory_mib": 81920,
        "simulated": False,
        "memory_mib": 10240,
        "compute_milli": 125,
        "size": "small",
        "created_at": datetime(2026, 11, 24, 9, 30, tzinfo=UTC),
    }
    return Lease(**{**values, **changes})


def a_kube_spawner(config: dict[str, dict[str, Any]] | None = None) -> KubeSliceSpawner:
    """A spawner of nobody's; ``config`` is as in jupyterhub_config.py, by class."""
    return KubeSliceSpawner(config=Config(config or {}), _mock=True)


async def pod_with(spawner: KubeSliceSpawner, lease: Lease) -> dict[str, Any]:
    """The pod that ``spawner`` would make for ``lease``, as the API writes it."""
    refusal = spawner.look_at_lease(lease)
    assert refusal is None, refusal
    spawner._lease = lease
    written: dict[str, Any] = spawner.api.api_client.sanitize_for_serialization(
        await spawner.get_pod_manifest()
    )
    return written


def server_in(pod: dict[str, Any]) -> dict[str, Any]:
    return next(c for c in pod["spec"]["containers"] if c["name"] == "notebook")


def environment_in(pod: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in server_in(pod)["env"] if "value" in entry}
