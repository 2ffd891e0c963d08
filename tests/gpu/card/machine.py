"""On what the report was made: machine, cards, driver, versions. What cannot be told says why."""

import importlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_MIB: Final = 1024 * 1024
_PACKAGES: Final = (
    *(
        "sublet",
        "cuda-core",
        "cuda-bindings",
        "nvidia-ml-py",
        "torch",
        "cupy-cuda12x",
        "cupy-cuda13x",
    ),
    *("jax", "numpy", "jupyterhub", "jupyterlab", "pytest"),
)
_ROOT: Final = Path(__file__).parents[3]


def why_no_card() -> str | None:
    """Return why no NVIDIA card can be used here, or ``None`` where one can."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return "the package nvidia-ml-py is missing (extra `nvidia`, or a wheelhouse)"
    try:
        with _nvml_open():
            count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        return f"NVML does not start: {error}"
    return None if count else "NVML finds no card"


def describe_machine(device: str) -> dict[str, Any]:
    """Return what the figures of a report depend on."""
    cards: Any = "SIMULATED"
    if device == "nvidia":
        with _nvml_open() as nvml:
            cards = _cards(nvml)
    memory = dict(
        line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line
    )
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device,
        "commit": _commit(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "cpus": os.cpu_count(),
        "memory": memory["MemTotal"].strip(),
        "user": "root" if os.getuid() == 0 else f"uid {os.getuid()}",
        "control groups": "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1",
        "packages": {name: _version(name) for name in _PACKAGES},
        "cards": cards,
        "nvidia-smi": _said("nvidia-smi") if device == "nvidia" else "",
    }


@contextmanager
def _nvml_open() -> Iterator[Any]:
    """Have NVML open only while it is asked: it keeps the driver loaded, for all parts."""
    nvml: Any = importlib.import_module("pynvml")
    nvml.nvmlInit()
    try:
        yield nvml
    finally:
        nvml.nvmlShutdown()


def _commit() -> str:
    if (_ROOT / ".git").exists():
        return _said("git", "rev-parse", "HEAD")
    # Of a wheelhouse: its source has no history.
    told = Path(sys.prefix) / ".wheelhouse" / "commit"
    return told.read_text() if told.exists() else "unknown"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _said(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return f"no {command[0]} here"
    done = subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    return (done.stdout or done.stderr).strip()


def _cards(nvml: Any) -> dict[str, Any]:
    version = _told(nvml, nvml.nvmlSystemGetCudaDriverVersion)
    cards = []
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)

        def of(function: str, *more: object, card: Any = handle) -> Any:
            return _told(nvml, lambda: getattr(nvml, function)(card, *more))

        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        cards.append(
            {
                "name": of("nvmlDeviceGetName"),
                "uuid": of("nvmlDeviceGetUUID"),
                "memory_mib": memory.total // _MIB,
                "free_mib": memory.free // _MIB,
                "persistence_mode": of("nvmlDeviceGetPersistenceMode"),
                "compute_mode": of("nvmlDeviceGetComputeMode"),
                "mig_mode": of("nvmlDeviceGetMigMode"),
                "ecc_mode": of("nvmlDeviceGetEccMode"),
                "sm_clock_mhz": of("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
                "most_sm_clock_mhz": of("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM),
                "memory_clock_mhz": of("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
                "power_limit_mw": of("nvmlDeviceGetEnforcedPowerLimit"),
                "temperature_c": of("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
                "pcie_generation": of("nvmlDeviceGetCurrPcieLinkGeneration"),
                "pcie_width": of("nvmlDeviceGetCurrPcieLinkWidth"),
            }
        )
    return {
        "driver": _told(nvml, nvml.nvmlSystemGetDriverVersion),
        "cuda": f"{version // 1000}.{version % 1000 // 10}"
        if isinstance(version, int)
        else version,
        "cards": cards,
    }


def _told(nvml: Any, ask: Callable[[], Any]) -> Any:
    try:
        answer = ask()
    except nvml.NVMLError as error:
        return f"not told: {error}"
    return answer.decode() if isinstance(answer, bytes) else answer
