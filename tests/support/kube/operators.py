"""Other projects' operators beside the API server, where a variable names their manager.

``KUEUE_BIN`` is Kueue's, ``JOBSET_BIN`` JobSet's. Beside a manager lies ``config/components`` of
its repository, whose resource definitions and webhooks are loaded as they are; only where the
webhooks are found is changed.
"""

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
import yaml

from tests.support.kube.api import Api, Manifest
from tests.support.kube.control_plane import ControlPlane
from tests.support.kube.processes import Program, wait_for
from tests.support.ports import free_ports

_READY_S: Final = 120


@dataclass(frozen=True, slots=True)
class Operator:
    """What one project's manager is told, and what of its components is loaded."""

    name: str
    variable: str
    """The environment's, which names its program."""
    kind: str
    """The version of its configuration's kind."""
    webhooks_of: frozenset[str]
    """The API groups whose webhooks are loaded: of other kinds there are no objects here."""
    options: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """Where it looks for its own Secret."""
        return f"{self.name}-system"

    @property
    def service(self) -> str:
        """By which the API server finds its webhooks."""
        return f"{self.name}-webhook-service"

    @property
    def secret(self) -> str:
        """Into which it writes their certificate."""
        return f"{self.name}-webhook-server-cert"

    @property
    def manager(self) -> Path | None:
        """Its program, where one is named."""
        named = os.environ.get(self.variable)
        return Path(named) if named else None

    def configuration(self, folder: Path, port: int, health: int) -> Manifest:
        """Return what its manager is told."""
        return {
            "apiVersion": self.kind,
            "kind": "Configuration",
            "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
            "metrics": {"bindAddress": "0"},
            "webhook": {"host": "127.0.0.1", "port": port, "certDir": str(folder)},
            "leaderElection": {"leaderElect": False},
            "internalCertManagement": {
                "enable": True,
                "webhookServiceName": self.service,
                "webhookSecretName": self.secret,
            },
            **self.settings,
        }


KUEUE: Final = Operator(
    "kueue",
    "KUEUE_BIN",
    "config.kueue.x-k8s.io/v1beta2",
    frozenset({"kueue.x-k8s.io", "batch", "jobset.x-k8s.io"}),
    ("--feature-gates=VisibilityOnDemand=false,MultiKueue=false",),
    {
        "namespace": "kueue-system",
        "integrations": {"frameworks": ["batch/job", "jobset.x-k8s.io/jobset"]},
    },
)
JOB_SET: Final = Operator(
    "jobset",
    "JOBSET_BIN",
    "config.jobset.x-k8s.io/v1alpha1",
    frozenset({"jobset.x-k8s.io", ""}),
)


@contextmanager
def running(plane: ControlPlane, api: Api, operator: Operator) -> Iterator[None]:
    """Load an operator's definitions, and have it run and answer, webhooks included, in the block.

    Its variable must name its manager.
    """
    manager = operator.manager
    assert manager is not None, operator.variable
    components = manager.parent / "config" / "components"
    port, health = free_ports(2)
    for each in _definitions(operator, components, port):
        api.create(each)
    _wait_for_definitions(api)
    _make_what_its_webhooks_need(operator, api)
    webhooks = list(_webhooks(operator, components, port))
    for each in webhooks:
        api.create(each)
    folder = plane.programs.folder / operator.name
    folder.mkdir()
    configuration = folder / "configuration.json"
    configuration.write_text(json.dumps(operator.configuration(folder, port, health)))
    program = plane.programs.start(
        operator.name,
        [manager, f"--config={configuration}", *operator.options],
        {"KUBECONFIG": str(plane.kubeconfig())},
    )
    try:
        # A kubelet would show it the Secret, which it fills itself, as files.
        filled = lambda: _filled(operator, program, api)  # noqa: E731
        secret = wait_for(filled, _READY_S, lambda: _story(program))
        for name, data in secret["data"].items():
            (folder / name).write_bytes(base64.b64decode(data))
        wait_for(lambda: _answers(program, health), _READY_S, lambda: _story(program))
        yield
    finally:
        # In this order: nobody asks a webhook that is gone.
        for each in webhooks:
            api.delete(each["apiVersion"], each["kind"], each["metadata"]["name"])
        plane.programs.running.remove(program)
        program.stop()


def _story(program: Program) -> str:
    return f"{program.name}:\n{program.tail()}"


def _definitions(operator: Operator, components: Path, port: int) -> Iterator[Manifest]:
    patches = yaml.safe_load((components / "crd" / "kustomization.yaml").read_text())["patches"]
    converted = {Path(each["path"]).stem.removeprefix("webhook_in_") for each in patches}
    for file in sorted((components / "crd" / "bases").glob("*.yaml")):
        definition = yaml.safe_load(file.read_text())
        if definition["spec"]["names"]["plural"] in converted:
            webhook = {
                "clientConfig": {"service": _service(operator, "/convert", port)},
                "conversionReviewVersions": ["v1"],
            }
            definition["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
        yield definition


def _webhooks(operator: Operator, components: Path, port: int) -> Iterator[Manifest]:
    file = components / "webhook" / "manifests.yaml"
    for configuration in yaml.safe_load_all(file.read_text()):
        configuration["metadata"]["name"] = f"{operator.name}-{configuration['metadata']['name']}"
        configuration["webhooks"] = [
            _found_here(operator, each, port)
            for each in configuration["webhooks"]
            if operator.webhooks_of
            & {group for rule in each["rules"] for group in rule["apiGroups"]}
        ]
        yield configuration


def _found_here(operator: Operator, webhook: Manifest, port: int) -> Manifest:
    path = webhook["clientConfig"]["service"]["path"]
    return {**webhook, "clientConfig": {"service": _service(operator, path, port)}}


def _service(operator: Operator, path: str, port: int) -> Manifest:
    return {
        "namespace": operator.namespace,
        "name": operator.service,
        "path": path,
        "port": port,
    }


def _make_what_its_webhooks_need(operator: Operator, api: Api) -> None:
    within = api.make_namespace(operator.namespace)
    within.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": operator.secret}})
    # The API server finds the process by a name of this machine; no pod stands behind it.
    spec = {"type": "ExternalName", "externalName": "localhost"}
    about = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": operator.service}}
    within.create({**about, "spec": spec})


def _wait_for_definitions(api: Api) -> None:
    def served() -> bool:
        found: list[Any] = api.all("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        conditions = [(each.get("status") or {}).get("conditions") or () for each in found]
        return all(
            any(c["type"] == "Established" and c["status"] == "True" for c in each)
            for each in conditions
        )

    wait_for(served, _READY_S, "its kinds to be served")


def _filled(operator: Operator, program: Program, api: Api) -> Manifest | None:
    program.must_run()
    secret = api.within(operator.namespace).get("v1", "Secret", operator.secret)
    return secret if secret.get("data") else None


def _answers(program: Program, port: int) -> bool:
    program.must_run()
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.RequestException:
        return False
