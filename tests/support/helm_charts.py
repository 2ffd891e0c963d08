"""Renders the chart with the real helm, and says what it refused."""

import functools
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.helm_documents import CHART
from tests.support.helm_programs import find_helm

RELEASE: Final = "sublet"
NAMESPACE: Final = "jhub"
KUBERNETES: Final = "1.34.3"
Manifest = dict[str, Any]
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ChartRefusedError(Exception):
    """helm refused values or chart, in its words."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The objects that a release would have."""

    objects: tuple[Manifest, ...]

    def all(self, kind: str) -> list[Manifest]:
        """Return the objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str, name: str) -> Manifest:
        """Return one object."""
        found = [each for each in self.all(kind) if each["metadata"]["name"] == name]
        names = [each["metadata"]["name"] for each in self.all(kind)]
        assert len(found) == 1, f"{kind}s are {names}, and {name} was looked for"
        return found[0]

    def configuration(self, part: str) -> Manifest:
        """Return what a program is configured with: `hub` or `agent`."""
        name, key = {
            "hub": ("sublet-service", "sublet_hub.json"),
            "agent": ("sublet-agent", "sublet_agent.json"),
        }[part]
        (settings,) = json.loads(self.one("ConfigMap", name)["data"][key]).values()
        return dict(settings)


def render(values: Mapping[str, Any], namespace: str = NAMESPACE) -> Rendered:
    """Return what `helm template` makes of values. `ChartRefusedError` with helm's words."""
    said = _rendered(json.dumps(values), namespace)
    return Rendered(tuple(each for each in yaml.load_all(said, _LOADER) if each))


@functools.cache
def _rendered(values: str, namespace: str) -> str:
    return run_helm(
        *("template", RELEASE, CHART, "--namespace", namespace, "--kube-version", KUBERNETES),
        values=values,
    )


def run_helm(
    *words: str | Path,
    values: str | Mapping[str, Any] | None = None,
    kubeconfig: Path | None = None,
) -> str:
    """Run helm with values and return what it says. `ChartRefusedError` where it fails."""
    command = [find_helm(), *words]
    if values is not None:
        command += ["--values", "-"]
    if kubeconfig is not None:
        command += ["--kubeconfig", kubeconfig]
    given = values if values is None or isinstance(values, str) else json.dumps(values)
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChartRefusedError(done.stdout + done.stderr)
    return done.stdout
