"""What an owner's servers are made of, recorded where the service cannot write.

The API server lets its owner's jobs have that and no more (the chart's admission policy). Each
server has a record of its own, of its last start. A list in a merge patch replaces the one that was
there whole, so each record is a list of one. As etcd bounds what one object may have, owners are
recorded in several, by the first digit of their hashes.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from kubernetes_asyncio.client.rest import ApiException
from kubespawner.clients import shared_client  # type: ignore[import-untyped]
from sublet_quota.names.owner_hash import hash_of_name, shard_of
from sublet_quota.wire.api import PodTemplate

GROUP: Final = "sublet.dev"
VERSION: Final = "v1"
PLURAL: Final = "ownerrecords"
_STORAGE: Final = ("persistentVolumeClaim", "nfs", "csi", "cephfs", "iscsi", "fc", "azureFile")
"""The kinds of volumes with users' files: claims, and those that ``jobs.volumeKinds`` can name."""
_MERGE: Final = "application/merge-patch+json"
_TOO_MANY: Final = "FieldValueTooMany"
_MOST_WORDS: Final = 500
_MOST_OF_OBJECT: Final = 1536 * 1024
"""What etcd takes at once, in bytes, unless it is told otherwise (``--max-request-bytes``)."""
_HINTS: Final = {
    403: "the hub's role may not patch ownerrecords of sublet.dev",
    404: "there is no such OwnerRecords of sublet.dev in the namespace",
}


def record_of(template: PodTemplate) -> dict[str, Any]:
    """Return the parts of a server's pod that its owner's jobs may have, as a record."""
    return {
        "image": template.image,
        "pullSecrets": list(template.image_pull_secrets),
        "runtimeClass": template.runtime_class_name or "",
        "volumes": [
            {"source": _kept(source), "mounts": _mounts_of(str(volume["name"]), source, template)}
            for volume in template.volumes
            if (source := {kind: volume[kind] for kind in _STORAGE if volume.get(kind)})
        ],
        "podSecurity": _kept(template.pod_security_context),
        "containerSecurity": _kept(template.container_security_context),
    }


def _kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the API server keeps of settings: neither ``null`` nor empty lists.

    Of a job it drops them, and a record that had them would be no job's.
    """
    return {
        name: _kept(value) if isinstance(value, Mapping) else value
        for name, value in settings.items()
        if value is not None and value != []
    }


def _mounts_of(name: str, source: Mapping[str, Any], template: PodTemplate) -> list[dict[str, Any]]:
    is_read_only = any(settings.get("readOnly") for settings in source.values())
    return [
        {
            "subPath": mount.get("subPath") or "",
            "readOnly": bool(is_read_only or mount.get("readOnly")),
        }
        for mount in template.volume_mounts
        if mount["name"] == name
    ]


@dataclass(frozen=True, slots=True)
class RecordsPlace:
    """The objects that the admission policy reads."""

    name: str
    """By which theirs begin."""
    namespace: str
    within_s: float
    """How long the API server may take for an answer."""


class OwnerRecords:
    """The records of one owner, in one of the objects that the admission policy reads."""

    def __init__(
        self,
        place: RecordsPlace,
        owner: str,
        tell: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        """``tell`` tells the owner of trouble, ``warn`` the admin of what will become trouble."""
        self._place = place
        self._owner = hash_of_name(owner)
        self._object = f"{place.name}-{shard_of(self._owner)}"
        self._tell = tell
        self._warn = warn

    async def write(self, server: str, template: PodTemplate, running: Collection[str]) -> None:
        """Record what a server is made of. What cannot be recorded is told: it keeps no server.

        ``running`` are the owner's servers whose records stay, whatever has to make room.
        """
        kept = {hash_of_name(each) for each in running}
        await self._try(self._write(hash_of_name(server), [record_of(template)], kept))

    async def forget(self, server: str) -> None:
        """Forget a server that is gone for ever; with the default server, its owner is."""
        await self._try(self._patch({hash_of_name(server): None} if server else None))

    async def _write(self, server: str, record: list[Any], kept: Collection[str]) -> None:
        try:
            answer = await self._patch({server: record})
        except ApiException as error:
            if not self._are_too_many(error):
                raise
            # A patch of nothing is answered with what is there. Of the servers that make room each
            # is recorded anew when it is started again.
            there = (await self._patch({}))["owners"].get(self._owner) or {}
            room = dict.fromkeys(each for each in there if each not in kept)
            if not room:
                raise
            answer = await self._patch({**room, server: record})
        size = len(json.dumps(answer, separators=(",", ":")))
        if size > _MOST_OF_OBJECT // 2:
            self._warn(
                f"The OwnerRecords {self._object} of sublet.dev in {self._place.namespace} have "
                f"{size >> 10} of the {_MOST_OF_OBJECT >> 10} KiB that etcd lets an object have: "
                "once they are full no further server is recorded there, and jobs of its owner are "
                "refused. Delete users and named servers that are no more (on the hub's admin page)"
            )

    def _are_too_many(self, error: ApiException) -> bool:
        """Whether the owner has as many records as there may be, and this would be one more."""
        causes = (_status_of(error).get("details") or {}).get("causes") or ()
        field = f"owners.{self._owner}"
        return any((each.get("reason"), each.get("field")) == (_TOO_MANY, field) for each in causes)

    async def _patch(self, servers: Mapping[str, Any] | None) -> dict[str, Any]:
        body = {"owners": {self._owner: servers}}
        place = self._place
        patching = shared_client("CustomObjectsApi").patch_namespaced_custom_object(
            GROUP, VERSION, place.namespace, PLURAL, self._object, body, _content_type=_MERGE
        )
        answer: dict[str, Any] = await asyncio.wait_for(patching, place.within_s)
        return answer

    async def _try(self, writing: Any) -> None:
        try:
            await writing
        except ApiException as error:
            self._tell_trouble(_HINTS.get(error.status) or _words_of(error))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._tell_trouble(str(error) or type(error).__name__)

    def _tell_trouble(self, why: str) -> None:
        self._tell(
            f"What this server is made of could not be recorded ({why}): the cluster refuses "
            "training jobs that differ from the server as it was recorded last"
        )


def _status_of(error: ApiException) -> dict[str, Any]:
    """Return what the API server says of its refusal; empty where that is no status."""
    try:
        said = json.loads(error.body or b"")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _words_of(error: ApiException) -> str:
    return str(_status_of(error).get("message") or error.reason)[:_MOST_WORDS]
