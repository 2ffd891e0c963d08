"""Other projects' operators beside the API server, where a variable names their manager.

``KUEUE_BIN`` is Kueue's, ``JOBSET_BIN`` JobSet's, ``TRAINER_BIN`` the one of Kubeflow's trainer.
Beside a manager lies the folder of its repository with its resource definitions and webhooks
(``config`` or ``manifests``), which are loaded as they are; only where the webhooks are found is
changed.
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
    service: str = ""
    """By which the API server finds its webhooks; empty: after its name."""
    namespace: str = ""
    """Where it looks for its own Secret; empty: after its name."""
    components: str = "config/components"
    """The folder, beside its program, in which ``crd`` or ``crds`` and ``webhook`` lie."""
    certificates: str = "internalCertManagement"
    """The key of its configuration by which it is told to make its webhooks' certificate."""
    certificate_folder: Path | None = None
    """Where it reads that, if its configuration cannot say."""
    also: tuple[str, ...] = ()
    """Files of its components with what else is there when it is installed."""

    @property
    def own_namespace(self) -> str:
        """Where it looks for its own Secret."""
        return self.namespace or f"{self.name}-system"

    @property
    def own_service(self) -> str:
        """By which the API server finds its webhooks."""
        return self.service or f"{self.name}-webhook-service"

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
        webhook = {"host": "127.0.0.1", "port": port}
        if self.certificate_folder is None:
            webhook["certDir"] = str(folder)
        return {
            "apiVersion": self.kind,
            "kind": "Configuration",
            "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
            "metrics": {"bindAddress": "0"},
            "webhook": webhook,
            "leaderElection": {"leaderElect": False},
            self.certificates: {
                "enable": True,
                "webhookServiceName": self.own_service,
                "webhookSecretName": self.secret,
            },
            **self.settings,
        }


KUEUE: Final = Operator(
    "kueue",
    "KUEUE_BIN",
    "config.kueue.x-k8s.io/v1beta2",
    frozenset({"kueue.x-k8s.io", "batch", "jobset.x-k8s.io", "trainer.kubeflow.org"}),
    ("--feature-gates=VisibilityOnDemand=false,MultiKueue=false",),
    {
        "namespace": "kueue-system",
        "integrations": {
            "frameworks": [
                "batch/job",
                "jobset.x-k8s.io/jobset",
                "trainer.kubeflow.org/trainjob",
            ]
        },
    },
)
JOB_SET: Final = Operator(
    "jobset",
    "JOBSET_BIN",
    "config.jobset.x-k8s.io/v1alpha1",
    frozenset({"jobset.x-k8s.io", ""}),
)
TRAINER: Final = Operator(
    "kubeflow-trainer",
    "TRAINER_BIN",
    "config.trainer.kubeflow.org/v1alpha1",
    frozenset({"trainer.kubeflow.org"}),
    namespace="kubeflow-system",
    components="manifests/base",
    certificates="certManagement",
    certificate_folder=Path("/tmp/k8s-webhook-server/serving-certs"),  # noqa: S108 - its own choice
    also=("runtimes/torch_distributed.yaml",),
)
_NAMES_OF_WEBHOOKS: Final = {
    ("kubeflow-trainer", "MutatingWebhookConfiguration"): "defaulter.trainer.kubeflow.org",
    ("kubeflow-trainer", "ValidatingWebhookConfiguration"): "validator.trainer.kubeflow.org",
}
"""Where they are not called after the operator."""


@contextmanager
def running(plane: ControlPlane, api: Api, operator: Operator) -> Iterator[None]:
    """Load an operator's definitions, and have it run and answer, webhooks included, in the block.

    Its variable must name its manager.
    """
    manager = operator.manager
    assert manager is not None, operator.variable
    components = manager.parent / operator.components
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
        shown = operator.certificate_folder or folder
        shown.mkdir(parents=True, exist_ok=True)
        for name, data in secret["data"].items():
            (shown / name).write_bytes(base64.b64decode(data))
        wait_for(lambda: _answers(program, health), _READY_S, lambda: _story(program))
        for name in operator.also:
            api.create(yaml.safe_load((components / name).read_text()))
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
    (folder,) = components.glob("crd*")
    patches = yaml.safe_load((folder / "kustomization.yaml").read_text()).get("patches") or ()
    converted = {Path(each["path"]).stem.removeprefix("webhook_in_") for each in patches}
    for file in sorted(folder.rglob("*.yaml")):
        definition = yaml.safe_load(file.read_text())
        if "names" not in definition.get("spec", {}):
            # What kustomize is told, and its patches.
            continue
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
        after_it = f"{operator.name}-{configuration['metadata']['name']}"
        known = _NAMES_OF_WEBHOOKS.get((operator.name, configuration["kind"]), after_it)
        configuration["metadata"]["name"] = known
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
        "namespace": operator.own_namespace,
        "name": operator.own_service,
        "path": path,
        "port": port,
    }


def _make_what_its_webhooks_need(operator: Operator, api: Api) -> None:
    within = api.make_namespace(operator.own_namespace)
    within.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": operator.secret}})
    # The API server finds the process by a name of this machine; no pod stands behind it.
    spec = {"type": "ExternalName", "externalName": "localhost"}
    about = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": operator.own_service}}
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
    secret = api.within(operator.own_namespace).get("v1", "Secret", operator.secret)
    return secret if secret.get("data") else None


def _answers(program: Program, port: int) -> bool:
    program.must_run()
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.RequestException:
        return False
