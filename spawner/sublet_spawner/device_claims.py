"""The ResourceClaims of a slice, made once its pod exists: so they belong to it and go with it.

The scheduler lets a pod wait for a claim that does not exist yet. A claim made first would be left
behind by a hub that is killed in between.
"""

from collections.abc import Callable
from typing import Any, Final

import aiohttp
from kubernetes_asyncio.client.rest import ApiException
from kubespawner.clients import shared_client  # type: ignore[import-untyped]
from sublet_quota.wire.api import PodStarted

from sublet_spawner.backends.records import DeviceClaim
from sublet_spawner.pod_writing import SLICE_LABEL

_API_VERSION: Final = "resource.k8s.io/v1"
_THERE_ALREADY: Final = 409
_HINTS: Final = {
    403: "the hub's role may not create resourceclaims of resource.k8s.io",
    404: f"this cluster has no {_API_VERSION}: it needs Kubernetes 1.34",
}


class DeviceClaims:
    """The ResourceClaims of one slice."""

    def __init__(
        self, slice_id: str, claims: tuple[DeviceClaim, ...], tell: Callable[[str], None]
    ) -> None:
        self._slice_id = slice_id
        self._claims = claims
        self._tell = tell
        self._told: str | None = None

    def names(self) -> dict[str, str]:
        """Return the claims' names in the namespace, by their names in the pod."""
        return {claim.name: f"sublet-{self._slice_id}-{claim.name}" for claim in self._claims}

    async def make(self, pod: PodStarted) -> bool:
        """Make the claims that do not exist; return whether all do now, else try again later."""
        for claim in self._claims:
            body = self._body(claim, pod)
            api = shared_client("ResourceV1Api")
            try:
                await api.create_namespaced_resource_claim(pod.namespace, body)
            except ApiException as error:
                if error.status == _THERE_ALREADY:
                    continue
                self._tell_once(_HINTS.get(error.status, str(error.reason)))
                return False
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                # The client passes on what broke the connection. The claim may be there by now.
                what = str(error) or type(error).__name__
                self._tell_once(f"Kubernetes' API does not answer ({what}); it is tried again")
                return False
        return True

    def _tell_once(self, why: str) -> None:
        message = f"The claim for the server's GPU could not be made: {why}"
        if message != self._told:
            self._told = message
            self._tell(message)

    def _body(self, claim: DeviceClaim, pod: PodStarted) -> dict[str, Any]:
        owner = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": pod.pod_name,
            "uid": pod.pod_uid,
            "blockOwnerDeletion": False,
            "controller": False,
        }
        return {
            "apiVersion": _API_VERSION,
            "kind": "ResourceClaim",
            "metadata": {
                "name": self.names()[claim.name],
                "labels": {SLICE_LABEL: self._slice_id},
                "ownerReferences": [owner],
            },
            "spec": dict(claim.spec),
        }
