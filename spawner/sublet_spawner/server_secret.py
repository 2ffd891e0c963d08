"""The Secret with a server's tokens, which its pod names instead of telling them.

Whoever may look at pods (the service, an admin's tool) would read them there. Each start has a
Secret of its own, made before the pod, whose containers could not begin without it; once there is
the pod it belongs to that, and goes with it. A hub that is killed in between leaves a Secret whose
token the hub takes back itself. Where the hub may not make Secrets no server starts, unless an
admin has said that tokens may then stand in pods.
"""

import asyncio
import secrets
from collections.abc import Iterator
from enum import Enum, auto
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
IF_ALLOWED: Final = "if-allowed"
"""The value of ``tokens_in_secrets`` with which tokens are in pods where Secrets are refused."""
_RULE: Final = '{apiGroups: [""], resources: ["secrets"], verbs: ["create", "patch", "delete"]}'


class Hiding(Enum):
    """The answer to whether a pod's tokens are in a Secret."""

    DONE = auto()
    NOT_YET = auto()
    """Kubernetes did not answer in time."""
    NOT_ALLOWED = auto()
    """The hub may not make Secrets; the pod is as it was."""


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
        if variables:
            _give(container, variables)
    return hidden


def not_allowed(namespace: str) -> Exception:
    """Return the end of a start for which the hub may not make a Secret, with what helps."""
    message = (
        "The hub may not make the Secret that keeps this server's token. An admin adds to the "
        f"rules of the hub's Role in namespace {namespace} (Sublet's chart does): {_RULE}; or sets "
        f"c.KubeSliceSpawner.tokens_in_secrets to {IF_ALLOWED!r}, and whoever may look at pods "
        "then sees the tokens of all servers"
    )
    return not_started(message, "no-secret", 500)


def in_the_clear(namespace: str, pod_name: str) -> str:
    """Return what the log says of a server whose tokens are in its pod, where they should not."""
    return (
        f"the hub may not make Secrets in namespace {namespace}, so this server's tokens are in "
        f"its pod {pod_name}, for whoever may look at pods to act as its user. Add to the rules of "
        f"the hub's Role there: {_RULE}"
    )


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

    async def take_over(self, pod: Any, token: str, timeout_s: float) -> Hiding:
        """Have a pod name this in place of its tokens.

        A Secret that is there is of a try before, whose answer did not come; and a pod that is
        asked for again names its tokens already.
        """
        before = [(container, _part(container, "env")) for container in _containers_of(pod)]
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
            return Hiding.NOT_YET
        except ApiException as error:
            if hub_may_not(error):
                for container, variables in before:
                    if variables:
                        _give(container, variables)
                return Hiding.NOT_ALLOWED
            if error.status != _THERE_ALREADY:
                raise
        return Hiding.DONE

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


def _give(container: Any, variables: list[Any]) -> None:
    if isinstance(container, dict):
        container["env"] = variables
    else:
        container.env = variables


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
