"""Kueue itself, where ``KUEUE_BIN`` names its manager: a process beside the API server.

Beside the manager lies ``config/components`` of Kueue's repository, whose resource definitions and
webhooks are loaded as they are; only where the webhooks are found is changed.
"""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import requests
import yaml

from tests.support.kube.api import Api, Manifest
from tests.support.kube.control_plane import ControlPlane
from tests.support.kube.processes import Program, wait_for
from tests.support.ports import free_ports

_NAMESPACE: Final = "kueue-system"
_SERVICE: Final = "kueue-webhook-service"
_SECRET: Final = "kueue-webhook-server-cert"  # noqa: S105 - a Secret's name
_READY_S: Final = 120
_OF_INTEREST: Final = {"kueue.x-k8s.io", "batch"}
"""The API groups whose webhooks are loaded: of other jobs' kinds there are none here."""
_FEATURES: Final = "VisibilityOnDemand=false,MultiKueue=false"


def kueue_manager() -> Path | None:
    """Return the manager's program, where one is named."""
    named = os.environ.get("KUEUE_BIN")
    return Path(named) if named else None


@contextmanager
def running_kueue(plane: ControlPlane, api: Api, manager: Path) -> Iterator[None]:
    """Load Kueue's definitions, and have it run and answer, webhooks included, in the block."""
    components = manager.parent / "config" / "components"
    port, health = free_ports(2)
    for each in _definitions(components, port):
        api.create(each)
    _wait_for_definitions(api)
    _make_what_its_webhooks_need(api)
    webhooks = list(_webhooks(components, port))
    for each in webhooks:
        api.create(each)
    folder = plane.programs.folder / "kueue"
    folder.mkdir()
    configuration = folder / "configuration.json"
    configuration.write_text(json.dumps(_configuration(folder, port, health)))
    program = plane.programs.start(
        "kueue",
        [manager, f"--config={configuration}", f"--feature-gates={_FEATURES}"],
        {"KUBECONFIG": str(plane.kubeconfig())},
    )
    try:
        # A kubelet would show it the Secret, which it fills itself, as files.
        secret = wait_for(lambda: _filled(program, api), _READY_S, lambda: _story(program))
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
    return f"Kueue:\n{program.tail()}"


def _configuration(folder: Path, port: int, health: int) -> Manifest:
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "namespace": _NAMESPACE,
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": "127.0.0.1", "port": port, "certDir": str(folder)},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {
            "enable": True,
            "webhookServiceName": _SERVICE,
            "webhookSecretName": _SECRET,
        },
        "integrations": {"frameworks": ["batch/job"]},
    }


def _definitions(components: Path, port: int) -> Iterator[Manifest]:
    patches = yaml.safe_load((components / "crd" / "kustomization.yaml").read_text())["patches"]
    converted = {Path(each["path"]).stem.removeprefix("webhook_in_") for each in patches}
    for file in sorted((components / "crd" / "bases").glob("*.yaml")):
        definition = yaml.safe_load(file.read_text())
        if definition["spec"]["names"]["plural"] in converted:
            webhook = {
                "clientConfig": {"service": _service("/convert", port)},
                "conversionReviewVersions": ["v1"],
            }
            definition["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
        yield definition


def _webhooks(components: Path, port: int) -> Iterator[Manifest]:
    file = components / "webhook" / "manifests.yaml"
    for configuration in yaml.safe_load_all(file.read_text()):
        configuration["metadata"]["name"] = f"kueue-{configuration['metadata']['name']}"
        configuration["webhooks"] = [
            _found_here(each, port)
            for each in configuration["webhooks"]
            if _OF_INTEREST & {group for rule in each["rules"] for group in rule["apiGroups"]}
        ]
        yield configuration


def _found_here(webhook: Manifest, port: int) -> Manifest:
    path = webhook["clientConfig"]["service"]["path"]
    return {**webhook, "clientConfig": {"service": _service(path, port)}}


def _service(path: str, port: int) -> Manifest:
    return {"namespace": _NAMESPACE, "name": _SERVICE, "path": path, "port": port}


def _make_what_its_webhooks_need(api: Api) -> None:
    within = api.make_namespace(_NAMESPACE)
    within.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": _SECRET}})
    # The API server finds the process by a name of this machine; no pod stands behind it.
    spec = {"type": "ExternalName", "externalName": "localhost"}
    about = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": _SERVICE}}
    within.create({**about, "spec": spec})


def _wait_for_definitions(api: Api) -> None:
    def served() -> bool:
        found: list[Any] = api.all("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        conditions = [(each.get("status") or {}).get("conditions") or () for each in found]
        return all(
            any(c["type"] == "Established" and c["status"] == "True" for c in each)
            for each in conditions
        )

    wait_for(served, _READY_S, "Kueue's kinds to be served")


def _filled(program: Program, api: Api) -> Manifest | None:
    program.must_run()
    secret = api.within(_NAMESPACE).get("v1", "Secret", _SECRET)
    return secret if secret.get("data") else None


def _answers(program: Program, port: int) -> bool:
    program.must_run()
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.RequestException:
        return False
