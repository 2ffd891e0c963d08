"""The writing of a slice into the pod that KubeSpawner made, whatever admins put there.

The pod is changed after KubeSpawner has built it, so that settings which replace a container's
resources do not replace the slice, and before the admin's ``modify_pod_hook``, who has the last
word.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kubernetes_asyncio.client import models
from sublet_quota.amounts.kube_quantity import quantity_of
from sublet_quota.errors import AmountError

from sublet_spawner.backends.records import CONTAINER, PodFields
from sublet_spawner.errors import PodError

SLICE_LABEL: Final = "sublet.dev/slice"
BACKEND_LABEL: Final = "sublet.dev/backend"

_BYTES_PER_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HostFolder:
    """A folder of the node, shown to the server."""

    volume: str
    host_path: str
    mount_path: str


@dataclass(frozen=True, slots=True)
class SliceInPod:
    """The parts that a slice adds to a pod."""

    slice_id: str
    backend: str
    fields: PodFields
    claim_names: Mapping[str, str]
    """The names of the ResourceClaims, by their names within the pod."""
    folders: tuple[HostFolder, ...]
    host_memory_mib: int
    """The memory that suspending the slice moves to the host."""


def write_slice(pod: Any, added: SliceInPod) -> None:
    """Change ``pod`` (a ``V1Pod``) so that its server has the slice."""
    container = _server(pod)
    _add_metadata(pod, added)
    _add_limits(container, added.fields.limits)
    _add_host_memory(container, added.host_memory_mib)
    _add_claims(pod, container, added)
    _add_folders(pod, container, added.folders)
    if added.fields.scheduler_name is not None:
        pod.spec.scheduler_name = added.fields.scheduler_name
    if added.fields.node_labels:
        pod.spec.node_selector = {**(pod.spec.node_selector or {}), **added.fields.node_labels}
    if added.fields.node is not None:
        _require_node(pod, added.fields.node)


def bytes_of(quantity: Any) -> int:
    """Return the bytes that an amount as Kubernetes writes it (``4Gi``, ``1e9``) stands for."""
    try:
        return int(quantity_of(quantity))
    except AmountError as error:
        message = f"memory of {quantity!r}: give bytes, or an amount such as 4Gi"
        raise PodError(message) from error


def _server(pod: Any) -> Any:
    for container in pod.spec.containers:
        if container.name == CONTAINER:
            return container
    message = f"the pod has no container {CONTAINER!r} to give the slice to"
    raise PodError(message)


def _add_metadata(pod: Any, added: SliceInPod) -> None:
    own = {SLICE_LABEL: added.slice_id, BACKEND_LABEL: added.backend}
    pod.metadata.labels = {**(pod.metadata.labels or {}), **own, **added.fields.labels}
    pod.metadata.annotations = {**(pod.metadata.annotations or {}), **added.fields.annotations}


def _add_limits(container: Any, limits: Mapping[str, str]) -> None:
    """Add extended resources as limits; Kubernetes takes the requests from them."""
    resources = _resources(container)
    resources.limits = {**(resources.limits or {}), **limits}
    for name in limits:
        # A request of the admin's that differs would make the pod invalid.
        (resources.requests or {}).pop(name, None)


def _add_host_memory(container: Any, more_mib: int) -> None:
    """Let limit and request both cover what a suspend moves into the pod.

    Without a limit none is made. Without a request, one is made for the moved memory alone, but
    where there is a limit Kubernetes takes that for the request, which covers it already.
    """
    if not more_mib:
        return
    resources, more = _resources(container), more_mib * _BYTES_PER_MIB
    limit = (resources.limits or {}).get("memory")
    request = (resources.requests or {}).get("memory")
    if limit is not None:
        resources.limits = {**resources.limits, "memory": str(bytes_of(limit) + more)}
    if request is not None or limit is None:
        wanted = more if request is None else bytes_of(request) + more
        resources.requests = {**(resources.requests or {}), "memory": str(wanted)}


def _resources(container: Any) -> Any:
    """Return the container's resources as an object.

    KubeSpawner's ``extra_container_config`` may have left a plain dictionary.
    """
    if container.resources is None:
        container.resources = models.V1ResourceRequirements()
    elif isinstance(container.resources, dict):
        known = {key: container.resources.get(key) for key in ("claims", "limits", "requests")}
        container.resources = models.V1ResourceRequirements(**known)
    return container.resources


def _add_claims(pod: Any, container: Any, added: SliceInPod) -> None:
    if not added.fields.claims:
        return
    resources = _resources(container)
    for claim in added.fields.claims:
        pod.spec.resource_claims = [
            *(pod.spec.resource_claims or []),
            models.V1PodResourceClaim(
                name=claim.name, resource_claim_name=added.claim_names[claim.name]
            ),
        ]
        resources.claims = [
            *(resources.claims or []),
            models.CoreV1ResourceClaim(name=claim.name),
        ]


def _add_folders(pod: Any, container: Any, folders: tuple[HostFolder, ...]) -> None:
    """Add folders, not sockets: an agent that starts again makes its socket anew."""
    for folder in folders:
        source = models.V1HostPathVolumeSource(path=folder.host_path, type="Directory")
        pod.spec.volumes = [
            *(pod.spec.volumes or []),
            models.V1Volume(name=folder.volume, host_path=source),
        ]
        container.volume_mounts = [
            *(container.volume_mounts or []),
            models.V1VolumeMount(name=folder.volume, mount_path=folder.mount_path, read_only=True),
        ]


def _require_node(pod: Any, node: str) -> None:
    """Allow this node alone, beside whatever the admin requires.

    By the node's name and not its label of the host's name, which need not be the same. Terms are
    alternatives of each other, so each of them gets the requirement.
    """
    named = models.V1NodeSelectorRequirement(key="metadata.name", operator="In", values=[node])
    if pod.spec.affinity is None:
        pod.spec.affinity = models.V1Affinity()
    if pod.spec.affinity.node_affinity is None:
        pod.spec.affinity.node_affinity = models.V1NodeAffinity()
    affinity = pod.spec.affinity.node_affinity
    required = affinity.required_during_scheduling_ignored_during_execution
    terms = [] if required is None else required.node_selector_terms
    if not terms:
        terms = [models.V1NodeSelectorTerm()]
    for term in terms:
        term.match_fields = [*(term.match_fields or []), named]
    affinity.required_during_scheduling_ignored_during_execution = models.V1NodeSelector(
        node_selector_terms=terms
    )
