"""The Secret with a server's tokens, which its pod names instead of telling them.

Whoever may look at pods (the service, an admin's tool) would read them there. Each start has a
Secret of its own, made before the pod, whose containers could not begin without it; once there is
the pod it belongs to that, and goes with it. A hub that is killed in between leaves a Secret whose
token the hub takes back itself.
"""

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any, Final

import aiohttp
from kubernetes_asyncio.client import models
from kubernetes_asyncio.client.rest import ApiException

from sublet_spawner.account import is_secret
from sublet_spawner.pod_refused import hub_may_not
from sublet_spawner.refused import not_started

SERVER_LABEL: Final = "sublet.dev/server"
_MOST_LABEL: Final = 63
_MERGE: Final = "application/merge-patch+json"
_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
_GONE: Final = 404
_THERE_ALREADY: Final = 409
_MAY_NOT: Final = (
    "The hub may not make the Secret that keeps this server's token: an admin has to let its role "
    "create, patch and delete secrets, or set tokens_in_secrets to false"
)


def hide_tokens(pod: Any, secret: str, token: str) -> dict[str, str]:
    """Have a pod (a ``V1Pod``) name its tokens as keys of a Secret; return them by those keys.

    A token is what has the name of one, and whatever contains the server's own.
    """
    hidden: dict[str, str] = {}
    for index, container in enumerate(_containers_of(pod)):
        variables = []
        for variable in _part(container, "env") or ():
            name, value = _part(variable, "name"), _part(variable, "value")
            if value and _must_be_hidden(name, value, token):
                key = f"{index}.{name}"
                hidden[key] = _as_kubelet_reads_it(value)
                variables.append(_named(name, secret, key))
            else:
                variables.append(variable)
        if variables and isinstance(container, dict):
            container["env"] = variables
        elif variables:
            container.env = variables
    return hidden


def new_name(pod_name: str) -> str:
    """Return a name for a pod's Secret that no start before has used."""
    return f"{pod_name}-{secrets.token_hex(4)}"


class ServerSecret:
    """The Secret of one start of a server."""

    def __init__(self, api: Any, namespace: str, name: str) -> None:
        """``api``: KubeSpawner's client."""
        self._api = api
        self._namespace = namespace
        self._tokens: dict[str, str] = {}
        self.name = name

    async def take_over(self, pod: Any, token: str, timeout_s: float) -> bool:
        """Have a pod name this in place of its tokens; return whether it is made, else try again.

        A Secret that is there is of a try before, whose answer did not come; and a pod that is
        asked for again names its tokens already.
        """
        self._tokens |= hide_tokens(pod, self.name, token)
        labels = {_MANAGED_BY: "sublet", SERVER_LABEL: _as_label(pod.metadata.name)}
        body = {
            "metadata": {"name": self.name, "labels": labels},
            "stringData": self._tokens,
            "immutable": True,
        }
        making = self._api.create_namespaced_secret(self._namespace, body)
        try:
            await asyncio.wait_for(making, timeout_s)
        except TimeoutError:
            return False
        except ApiException as error:
            if hub_may_not(error):
                raise not_started(_MAY_NOT, "no-secret", 500) from error
            if error.status != _THERE_ALREADY:
                raise
        return True

    async def leave_to_pod(self, pod_name: str, timeout_s: float) -> str | None:
        """Have it go with the pod, also where no hub is there; return what kept from that."""
        try:
            uid = await asyncio.wait_for(self._uid_of(pod_name), timeout_s)
            owner = {"apiVersion": "v1", "kind": "Pod", "name": pod_name, "uid": uid}
            body = {"metadata": {"ownerReferences": [owner]}}
            patching = self._api.patch_namespaced_secret(
                self.name, self._namespace, body, _content_type=_MERGE
            )
            await asyncio.wait_for(patching, timeout_s)
        except (ApiException, aiohttp.ClientError, TimeoutError, OSError) as error:
            return _words_of(error)
        return None

    async def _uid_of(self, pod_name: str) -> str:
        # As it is written: the client refuses what a newer cluster adds or leaves out. Nor does it
        # look then whether the answer is a pod.
        reading = self._api.read_namespaced_pod(pod_name, self._namespace, _preload_content=False)
        async with await reading as answer:
            if not answer.ok:
                raise ApiException(status=answer.status, reason=answer.reason)
            uid: str = (await answer.json())["metadata"]["uid"]
            return uid

    async def remove(self, timeout_s: float) -> str | None:
        """Remove it; return what kept from that, or ``None``."""
        removing = self._api.delete_namespaced_secret(self.name, self._namespace)
        try:
            await asyncio.wait_for(removing, timeout_s)
        except ApiException as error:
            return None if error.status == _GONE else _words_of(error)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _words_of(error)
        return None


def _words_of(error: Exception) -> str:
    words = error.reason if isinstance(error, ApiException) else str(error)
    return str(words or type(error).__name__)


def _as_label(pod_name: str) -> str:
    """Return a pod's name, which may be longer than a label, as one: for people, not to find by."""
    return pod_name[:_MOST_LABEL].rstrip("-.")


def _part(entry: Any, name: str) -> Any:
    """Return a part of what an admin may have written as a model, or as the API has it."""
    return entry.get(name) if isinstance(entry, dict) else getattr(entry, name)


def _containers_of(pod: Any) -> Iterator[Any]:
    yield from pod.spec.containers or ()
    yield from pod.spec.init_containers or ()


def _must_be_hidden(name: str, value: str, token: str) -> bool:
    if token and token in value:
        return True
    # Kubernetes puts other variables into values, but not into those of a Secret.
    return is_secret(name) and "$(" not in value


def _as_kubelet_reads_it(value: str) -> str:
    """Return a variable's value as its container sees it: two dollar signs stand for one.

    In a Secret they stand for themselves.
    """
    return value.replace("$$", "$")


def _named(name: str, secret: str, key: str) -> Any:
    source = models.V1SecretKeySelector(name=secret, key=key)
    return models.V1EnvVar(name=name, value_from=models.V1EnvVarSource(secret_key_ref=source))
