"""The template in a finished pod: what its owner's jobs need to run the same way."""

from collections.abc import Mapping
from typing import Any, Final

from sublet_quota.wire.api import PodTemplate

from sublet_spawner.backends.records import CONTAINER

_OF_THE_SERVER_ALONE: Final = frozenset({"jupyterhub-internal-certs"})
"""The names of volumes that are the server's alone: KubeSpawner's with its certificate."""


def template_of(pod: Mapping[str, Any], namespace: str) -> PodTemplate:
    """Return the parts of ``pod`` (as the API writes it) that do not identify the server itself."""
    spec = pod["spec"]
    container = next(c for c in spec["containers"] if c["name"] == CONTAINER)
    return PodTemplate(
        namespace=namespace,
        image=container["image"],
        image_pull_policy=container.get("imagePullPolicy"),
        image_pull_secrets=tuple(s["name"] for s in spec.get("imagePullSecrets") or ()),
        pod_security_context=spec.get("securityContext") or {},
        container_security_context=container.get("securityContext") or {},
        volumes=tuple(_without(spec.get("volumes"))),
        volume_mounts=tuple(_without(container.get("volumeMounts"))),
        node_selector=spec.get("nodeSelector") or {},
        tolerations=tuple(spec.get("tolerations") or ()),
        runtime_class_name=spec.get("runtimeClassName") or None,
    )


def _without(entries: Any) -> list[dict[str, Any]]:
    return [entry for entry in entries or () if entry["name"] not in _OF_THE_SERVER_ALONE]
