"""Kubernetes' refusal of a pod, told to the user: a priority class that is not there, a policy.

An API server that fails for a while has refused nothing: that stays KubeSpawner's to deal with.
"""

import json
from typing import Final

from kubernetes_asyncio.client.rest import ApiException
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.servers import ServerRefusal

_REFUSED: Final = frozenset({400, 403, 422})


def refusal_of(error: ApiException) -> Refusal | None:
    """Return the refusal in Kubernetes' words; ``None`` where the pod is not what is wrong."""
    if error.status not in _REFUSED:
        return None
    try:
        told = str(json.loads(error.body or b"")["message"])
    except (TypeError, ValueError, KeyError):
        told = str(error.reason)
    return refuse(ServerRefusal.POD_REFUSED, told=told)
