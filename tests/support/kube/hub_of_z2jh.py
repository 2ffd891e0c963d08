"""zero-to-jupyterhub's hub on this machine: its JupyterHub, and what its chart puts into its pod.

Where ``Z2JH_CHART`` names the chart, its own configuration is used, rendered by helm with the
values of ``helm/z2jh-values.yaml``; else one of the same shape. The folder of the pod in which
both read is one of the machine's.
"""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.helm_charts import run_helm
from tests.support.helm_documents import ROOT
from tests.support.kube.programs import MissingError

PYTHON: Final = ROOT / ".venv-z2jh" / "bin" / "python"
"""The interpreter of the environment that `.ci/create-hub-of-z2jh` makes."""
CONFIGURATION: Final = "jupyterhub_config.py"
_IN_POD: Final = "/usr/local/etc/jupyterhub"
_RELEASE: Final = "hub"
_SHAPE: Final = Path(__file__).parent / "z2jh_shape"


def hub_of_z2jh() -> Path:
    """Return the interpreter that has zero-to-jupyterhub's hub. ``MissingError``."""
    if not PYTHON.exists():
        message = "the hub of zero-to-jupyterhub is not there: `make hub-of-z2jh` installs it"
        raise MissingError(message)
    return PYTHON


def objects_of_z2jh(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects of its chart; where none is named, its pods and their policies."""
    chart = os.environ.get("Z2JH_CHART")
    if chart:
        rendered = run_helm("template", _RELEASE, chart, values=values)
        return [each for each in yaml.safe_load_all(rendered) if each]
    objects: list[dict[str, Any]] = yaml.safe_load((_SHAPE / "objects.yaml").read_text())["items"]
    told = {"hub": values.get("hub", {}), "proxy": values.get("proxy", {}).get("chp", {})}
    for each in objects:
        if each["kind"] == "NetworkPolicy":
            policy = told.get(each["metadata"]["name"], {}).get("networkPolicy", {})
            each["spec"]["egress"] += policy.get("egress", ())
    return objects


def write_configuration(folder: Path, values: Mapping[str, Any], secret: Mapping[str, str]) -> None:
    """Write what the hub's pod mounts into a folder.

    ``values`` are the chart's, ``secret`` what its Secret has beside them.
    """
    if os.environ.get("Z2JH_CHART"):
        objects = objects_of_z2jh(values)
        mounted = _data_of(objects, "ConfigMap")
        encoded = _data_of(objects, "Secret")
        contents = {name: base64.b64decode(each).decode() for name, each in encoded.items()}
    else:
        told = {**values, "Release": {"Name": _RELEASE}}
        mounted = {each.name: each.read_text() for each in _SHAPE.glob("*.py")}
        contents = {"values.yaml": yaml.safe_dump(told)}
    for name, text in mounted.items():
        where = folder if name.endswith(".py") else folder / "config"
        _write(where / name, text.replace(_IN_POD, str(folder)))
    for name, text in {**contents, **secret}.items():
        _write(folder / "secret" / name, text)


def _data_of(objects: list[dict[str, Any]], kind: str) -> dict[str, str]:
    (found,) = (e for e in objects if e["kind"] == kind and e["metadata"]["name"] == "hub")
    data: dict[str, str] = found["data"]
    return data


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)
