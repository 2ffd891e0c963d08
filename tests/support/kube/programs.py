"""Finds or builds the programs of a Kubernetes cluster; says what is missing, and how to get it.

``KUBEBUILDER_ASSETS`` is honoured first, as other projects do. Kubernetes' own programs are built
from the Go module proxy by the module in ``programs/``, once for each version, into a folder
outside the repository. What Debian packages (etcd, containerd, runc, the network plugins) is taken
from the system, or from where ``.ci/install-kubernetes`` unpacked it.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.kube.cache import cache_folder, made_once

KUBERNETES: Final = "1.34.3"
KWOK: Final = "0.8.0"
BUILT: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
PACKAGED: Final = ("etcd", "containerd", "containerd-shim-runc-v2", "ctr", "runc", "debootstrap")
_SOURCE: Final = Path(__file__).parent / "programs"
_OLDEST_GO: Final = (1, 24)
_SYSTEM: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class MissingError(Exception):
    """Something that the cluster is made of is not on this machine; the message says what to do."""


def unpacked_packages() -> Path:
    """Where Debian's packages lie that were unpacked for the tests rather than installed."""
    return cache_folder() / "kubernetes-packages"


def find(name: str) -> Path:
    """Return one program's path; Kubernetes' own are built on the way."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (there := Path(assets) / name).exists():
        return there
    if name in BUILT:
        return kubernetes() / name
    unpacked = unpacked_packages()
    more = ":".join(str(unpacked / each) for each in ("usr/sbin", "usr/bin"))
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SYSTEM}:{more}")
    if not found:
        message = f"{name} is not installed: `.ci/install-kubernetes` gets it on Debian and Ubuntu"
        raise MissingError(message)
    return Path(found)


def network_plugins() -> Path:
    """Return the folder of the container network plugins."""
    for folder in (Path("/usr/lib/cni"), Path("/opt/cni/bin"), unpacked_packages() / "usr/lib/cni"):
        if (folder / "bridge").exists() and (folder / "host-local").exists():
            return folder
    message = "the container network plugins are not installed: `.ci/install-kubernetes` gets them"
    raise MissingError(message)


def kubernetes() -> Path:
    """Return the folder with Kubernetes' programs, built where they are not there yet (minutes)."""
    return made_once(cache_folder() / f"kubernetes-{KUBERNETES}", _build_kubernetes)


def kwok() -> Path:
    """Return kwok, which plays thousands of nodes and their pods."""
    return made_once(cache_folder() / f"kwok-{KWOK}", _build_kwok) / "kwok"


def _build_kubernetes(folder: Path) -> None:
    version = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES.split(".")
    # Without its version the server calls itself v0.0.0, and treats every feature as not yet there.
    flags = [
        "-s -w",
        f"-X {version}.gitVersion=v{KUBERNETES}",
        f"-X {version}.gitMajor={major}",
        f"-X {version}.gitMinor={minor}",
    ]
    packages = [f"k8s.io/kubernetes/cmd/{name}" for name in BUILT]
    _go("build", "-trimpath", "-ldflags", " ".join(flags), "-o", f"{folder}/", *packages)
    _go("build", "-trimpath", "-ldflags", "-s -w", "-o", str(folder / "pause"), "./pause")


def _build_kwok(folder: Path) -> None:
    _go("install", "-trimpath", f"sigs.k8s.io/kwok/cmd/kwok@v{KWOK}", GOBIN=str(folder))


def _go(*arguments: str, **more: str) -> None:
    go = shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin:/usr/lib/go/bin")
    if not go:
        message = f"Go is not installed: it builds Kubernetes {KUBERNETES} (go.dev, 1.24 or newer)"
        raise MissingError(message)
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True)
    numbers = re.match(r"go(\d+)\.(\d+)", said.stdout)
    if not numbers or (int(numbers[1]), int(numbers[2])) < _OLDEST_GO:
        message = (
            f"Go 1.24 or newer builds Kubernetes {KUBERNETES}, and here is {said.stdout.strip()}"
        )
        raise MissingError(message)
    if sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"}:
        message = (
            f"a cluster for the tests runs on Linux on x86_64 or arm64, not {platform.platform()}"
        )
        raise MissingError(message)
    # Other people use this machine too: the compiler works when nobody else does.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", **more}
    command = ["nice", "-n", "15", go, *arguments]
    done = subprocess.run(
        command, cwd=_SOURCE, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        message = f"`{' '.join(command)}` failed:\n{done.stderr[-4000:]}"
        raise RuntimeError(message)


def main() -> None:
    """Build what can be built, and say what is missing."""
    try:
        print(f"Kubernetes {KUBERNETES} in {kubernetes()}")
        print(f"kwok {KWOK} in {kwok()}")
    except MissingError as missing:
        print(f"Tests that need a cluster will be skipped: {missing}")


if __name__ == "__main__":
    main()
