"""The pods that each backend makes, kept as files in ``pods/``.

``python -m tests.spawner.pod_cases`` writes them anew: do so after a change that is meant, and
read what it changed.
"""

import asyncio
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.kube_spawner import NOWHERE, a_kube_spawner, a_lease, pod_with, point_clients_at

FOLDER = Path(__file__).parent / "pods"
_OF_THE_HUB = (
    *("JUPYTER", "JPY_", "MEM_", "CPU_"),
    *("hub.jupyter.org/", "app", "component", "heritage"),
)
"""What JupyterHub and KubeSpawner say of themselves: not the same in each version of theirs."""

SETTINGS: dict[str, dict[str, Any]] = {
    "SliceSpawnerMixin": {"service_url": "http://proxy-public/services/sublet/"},
    "KubeSpawner": {
        "namespace": "hub",
        "image": "registry.example/notebook:1",
        "uid": 1000,
        "fs_gid": 100,
        "cpu_guarantee": 0.5,
        "mem_guarantee": "2G",
        "mem_limit": "4G",
        "pod_name_template": "jupyter-ada",
        "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "claim-ada"}}],
        "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}],
    },
}


@dataclass(frozen=True)
class Case:
    backend: str
    settings: dict[str, Any] = field(default_factory=dict)
    lease: dict[str, Any] = field(default_factory=dict)
    spawner: dict[str, Any] = field(default_factory=dict)
    """Of ``c.KubeSliceSpawner``."""


CASES = {
    "time-slicing": Case("time-slicing"),
    "time-slicing-renamed": Case("time-slicing", {"resource": "nvidia.com/gpu.shared"}),
    "time-slicing-driver-limit": Case("time-slicing", {"driver_memory_limit": True}),
    "none": Case("none", {}, {"memory_mib": 80896, "compute_milli": 1000}),
    "none-driver-limit": Case("none", {"driver_memory_limit": True}),
    "hami": Case("hami"),
    "hami-placed-by-sublet": Case("hami", {"sublet_places": True}),
    "kai": Case("kai", {"queue": "notebooks"}),
    "kai-fraction": Case("kai", {"unit": "fraction"}),
    "kai-whole-gpu": Case("kai", {"unit": "fraction"}, {"memory_mib": 81919}),
    "kai-hami-core": Case("kai", {"sharing_mode": "HamiCore"}),
    "kai-hami-core-whole-gpu": Case(
        "kai", {"sharing_mode": "HamiCore", "unit": "fraction"}, {"memory_mib": 81919}
    ),
    "kai-nv-fractions-whole-gpu": Case(
        "kai", {"sharing_mode": "NvFractions", "unit": "fraction"}, {"memory_mib": 81919}
    ),
    "kai-nv-fractions": Case("kai", {"sharing_mode": "NvFractions"}),
    "kai-nv-fractions-fraction": Case("kai", {"sharing_mode": "NvFractions", "unit": "fraction"}),
    "kai-hami-core-fraction": Case("kai", {"sharing_mode": "HamiCore", "unit": "fraction"}),
    "volcano": Case("volcano"),
    "volcano-queue": Case("volcano", {"queue": "notebooks"}),
    "dra": Case("dra"),
    "dra-whole-gpu": Case("dra", {"share_memory": False}),
    "mps": Case("mps"),
    "mig": Case("mig"),
    "mig-larger": Case("mig", {}, {"memory_mib": 20480, "compute_milli": 286}),
    "simulated": Case(
        "time-slicing",
        {},
        {"simulated": True, "gpu_id": "SIM-0", "gpu_type": "Simulated H100 80GB"},
        {"simulated_socket": "/run/sublet/simulated.sock"},
    ),
    "simulated-own-folder": Case(
        "hami",
        {},
        {"simulated": True, "gpu_id": "SIM-0", "gpu_type": "Simulated H100 80GB"},
        {
            "simulated_socket": "/run/simulated-gpus/gpus.sock",
            "simulated_host_folder": "/run/simulated-gpus",
        },
    ),
    "several-types-of-gpu": Case("hami", {}, {}, {"gpu_type_node_label": "nvidia.com/gpu.product"}),
    "half-of-host-memory": Case("time-slicing", {}, {}, {"host_memory_factor": 0.5}),
}


async def pod_of(case: Case) -> dict[str, Any]:
    own = {
        "slice_backend": case.backend,
        "slice_backend_settings": {case.backend: case.settings},
        **case.spawner,
    }
    spawner = a_kube_spawner({**SETTINGS, "KubeSliceSpawner": own})
    pod = await pod_with(spawner, a_lease(**case.lease))
    for part in ("labels", "annotations"):
        told = pod["metadata"][part].items()
        pod["metadata"][part] = {k: v for k, v in told if not k.startswith(_OF_THE_HUB)}
    for container in pod["spec"]["containers"]:
        kept = [e for e in container["env"] if not e["name"].startswith(_OF_THE_HUB)]
        container["env"] = kept
    return pod


def as_text(pod: dict[str, Any]) -> str:
    return yaml.safe_dump(pod, sort_keys=True, width=100)


async def _write_all() -> None:
    for name, case in CASES.items():
        (FOLDER / f"{name}.yaml").write_text(as_text(await pod_of(case)))
        sys.stdout.write(f"{name}\n")


def main() -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        point_clients_at(NOWHERE, Path(folder), patch)
        asyncio.run(_write_all())


if __name__ == "__main__":
    main()
