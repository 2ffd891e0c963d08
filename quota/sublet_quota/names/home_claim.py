"""The volume claim that a pod's home is on, and where that is in use: one node at a time has it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from sublet_quota.names.ids import NodeId

NO_CLAIM: Final = ""
"""The claim of a home that is on none: nothing binds it to a node."""


@dataclass(frozen=True, slots=True)
class HomeInUse:
    """An owner's home is mounted on a node, so nothing else of theirs can have it elsewhere."""

    node: NodeId
    by: str
    """The words for what has the home, for its owner."""


def claim_of(
    folder: str, volumes: Iterable[Mapping[str, Any]], mounts: Iterable[Mapping[str, Any]]
) -> str:
    """Return the claim that a folder of a pod is on, as Kubernetes' API writes volumes."""
    claims = {
        volume["name"]: (volume.get("persistentVolumeClaim") or {}).get("claimName")
        for volume in volumes
    }
    path = PurePosixPath(folder)
    above = [mount for mount in mounts if path.is_relative_to(mount["mountPath"])]
    nearest = max(above, key=lambda mount: len(PurePosixPath(mount["mountPath"]).parts), default={})
    return claims.get(nearest.get("name")) or NO_CLAIM
