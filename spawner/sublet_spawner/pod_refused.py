"""Kubernetes' refusal of a pod, told to the user: a priority class that is not there, a policy.

An API server that fails for a while has refused nothing: that stays KubeSpawner's to deal with.
"""

import json
from typing import Final

from kubernetes_asyncio.client.rest import ApiException
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.servers import ServerRefusal

_FORBIDDEN: Final = 403
_REFUSED: Final = frozenset({400, _FORBIDDEN, 422})
_HUB_MAY_NOT: Final = " cannot create resource "
"""The hub's own rights are missing: nothing that a user's pod could have otherwise."""
_QUOTA_IS_USED: Final = "exceeded quota: "


def refusal_of(error: ApiException) -> Refusal | None:
    """Return the refusal in Kubernetes' words; ``None`` where the pod is not what is wrong."""
    if error.status not in _REFUSED:
        return None
    if hub_may_not(error):
        return None
    return refuse(ServerRefusal.POD_REFUSED, told=_words_of(error))


def hub_may_not(error: ApiException) -> bool:
    """Whether the hub lacks the right to make a thing, whatever the thing is."""
    return error.status == _FORBIDDEN and _HUB_MAY_NOT in _words_of(error)


def is_for_now(error: ApiException) -> bool:
    """Whether a refusal passes when others have left: the namespace's own quota is used up."""
    return _QUOTA_IS_USED in _words_of(error)


def _words_of(error: ApiException) -> str:
    try:
        return str(json.loads(error.body or b"")["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
