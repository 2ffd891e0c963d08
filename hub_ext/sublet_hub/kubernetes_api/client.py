"""The client of Kubernetes' API server, in plain JSON; nothing else in the service speaks to it.

The client of the ``kubernetes`` package brings the way in: the service account of a pod, whose
token is read again as it rotates, or a kubeconfig file. Every failure becomes a ``KubeError``.
Streams have connections of their own: there can be one for every job, for as long as it runs, and
who prints much is to wait for the service, not to fill its memory.
"""

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import load_incluster_config, load_kube_config
from kubernetes.aio.config.config_exception import ConfigException

from sublet_hub.errors import ConfigurationError
from sublet_hub.kubernetes_api.errors import KubeConflictError, KubeError, KubeNotFoundError
from sublet_hub.kubernetes_api.resources import Manifest, Resource, with_query

MERGE: Final = "application/merge-patch+json"
_ANSWER_S: Final = 30.0
_MOST_LINE: Final = 8 * 1024 * 1024
_MOST_UNREAD: Final = 64 * 1024
_ERRORS: Final = {404: KubeNotFoundError, 409: KubeConflictError}


@dataclass(frozen=True, slots=True)
class _Question:
    method: str
    path: str
    body: Any = None
    content: str = "application/json"
    within_s: float | None = None
    """How long the whole answer may take; ``None``: it goes on."""


class KubeApi:
    """A way into one cluster."""

    def __init__(self, configuration: Configuration) -> None:
        self._client = _client_of(configuration, _MOST_LINE)
        self._for_streams = _client_of(configuration, _MOST_UNREAD, connection_pool_maxsize=0)

    async def close(self) -> None:
        """End all connections."""
        await self._client.close()  # type: ignore[no-untyped-call]
        await self._for_streams.close()  # type: ignore[no-untyped-call]

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Manifest:
        """Return one object; ``KubeNotFoundError`` where there is none."""
        return await self._call("GET", resource.path(namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = "", fields: str = ""
    ) -> Manifest:
        """Return the objects that carry labels or fields, as the list with its version."""
        path = with_query(resource.path(namespace), labelSelector=labels, fieldSelector=fields)
        return await self._call("GET", path)

    async def create(
        self, resource: Resource, namespace: str | None, manifest: Manifest
    ) -> Manifest:
        """Make an object and return it; ``KubeConflictError`` where there is one of this name."""
        return await self._call("POST", resource.path(namespace), manifest)

    async def replace(
        self, resource: Resource, namespace: str | None, manifest: Manifest
    ) -> Manifest:
        """Write an object whole, return it; ``KubeConflictError`` where somebody has changed it."""
        name = manifest["metadata"]["name"]
        return await self._call("PUT", resource.path(namespace, name), manifest)

    async def patch(
        self, resource: Resource, namespace: str | None, name: str, change: Manifest
    ) -> Manifest:
        """Change what the patch names, and return the object."""
        return await self._call("PATCH", resource.path(namespace, name), change, MERGE)

    async def delete(self, resource: Resource, namespace: str | None, value: Manifest) -> None:
        """Remove this very object with all that it made; what is gone already is no error.

        Another one of its name, which was made meanwhile, stays.
        """
        about = value["metadata"]
        options = {"propagationPolicy": "Background", "preconditions": {"uid": about["uid"]}}
        try:
            await self._call("DELETE", resource.path(namespace, about["name"]), options)
        except (KubeNotFoundError, KubeConflictError):
            return

    async def stream(self, path: str, silent_s: float) -> AsyncIterator[bytes]:
        """Yield the answer as it comes, until the server ends it or is silent for ``silent_s``."""
        async with self._asked(_Question("GET", path), self._for_streams) as answer:
            while True:
                try:
                    async with asyncio.timeout(silent_s):
                        data = await answer.content.readany()
                except TimeoutError:
                    return
                if not data:
                    return
                yield data

    async def lines(self, path: str, silent_s: float) -> AsyncIterator[Manifest]:
        """Yield the objects that a watch tells of, until the server ends it.

        ``KubeError`` where the watch breaks off, or is silent for ``silent_s``.
        """
        async with self._asked(_Question("GET", path), self._client) as answer:
            while True:
                try:
                    async with asyncio.timeout(silent_s):
                        line = await answer.content.readline()
                except (TimeoutError, aiohttp.ClientError, ValueError) as error:
                    message = f"the watch of {path} broke off: {_words(error)}"
                    raise KubeError(message) from error
                if not line:
                    return
                yield json.loads(line)

    async def _call(
        self, method: str, path: str, body: Any = None, content: str = "application/json"
    ) -> Manifest:
        question = _Question(method, path, body, content, _ANSWER_S)
        async with self._asked(question, self._client) as answer:
            answered: Manifest = json.loads(await answer.read())
            return answered

    @asynccontextmanager
    async def _asked(
        self, question: _Question, client: ApiClient
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        limit = aiohttp.ClientTimeout(total=question.within_s, sock_connect=_ANSWER_S)
        method, path = question.method, question.path
        try:
            method, url, headers, body, _ = await client.param_serialize(
                method,
                path,
                header_params={
                    "Content-Type": question.content,
                    "Accept": "application/json, */*",
                },
                query_params=[],
                body=question.body,
                auth_settings=["BearerToken"],
            )
            answered = await client.call_api(
                method, url, header_params=headers, body=body, _request_timeout=limit
            )
            answer: aiohttp.ClientResponse = answered.response
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            message = f"Kubernetes' API server does not answer {method} {path}: {_words(error)}"
            raise KubeError(message) from error
        try:
            if answer.status >= 400:  # noqa: PLR2004 - HTTP's refusals
                raise _refused(method, path, answer.status, await answer.read())
            yield answer
        except (aiohttp.ClientError, OSError, ValueError) as error:
            message = f"the answer to {method} {path} cannot be read: {_words(error)}"
            raise KubeError(message) from error
        finally:
            answer.release()


async def connect(kubeconfig: str = "") -> KubeApi:
    """Return the way in that this process has: a file, or else its pod's service account."""
    configuration = Configuration()
    try:
        if kubeconfig:
            await load_kube_config(  # type: ignore[no-untyped-call]
                config_file=kubeconfig, client_configuration=configuration, persist_config=False
            )
        else:
            load_incluster_config(  # type: ignore[no-untyped-call]
                client_configuration=configuration
            )
    except (ConfigException, OSError) as error:
        message = (
            f"Kubernetes' API cannot be reached: {error}; run in a pod with a service account, or "
            "set SubletHub.kubeconfig to a file"
        )
        raise ConfigurationError(message) from error
    return KubeApi(configuration)


def _client_of(configuration: Configuration, unread: int, **values: Any) -> ApiClient:
    """Return a client with its own connections, each holding so many unread bytes, or twice."""
    own = copy.copy(configuration)
    own.client_session_kwargs = {**(own.client_session_kwargs or {}), "read_bufsize": unread}
    for name, value in values.items():
        setattr(own, name, value)
    return ApiClient(own)


def _refused(method: str, path: str, status: int, body: bytes) -> KubeError:
    causes: list[str] = []
    try:
        said = json.loads(body)
        words = str(said.get("message", ""))
        reason = str(said.get("reason", ""))
        details = said.get("details") or {}
        causes = [str(each.get("message", "")) for each in details.get("causes") or ()]
    except (ValueError, AttributeError, TypeError):
        words, reason = body[:500].decode(errors="replace"), ""
    message = f"Kubernetes refused {method} {path} ({status}): {words[:2000]}"
    return _ERRORS.get(status, KubeError)(message, status, reason, causes)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
