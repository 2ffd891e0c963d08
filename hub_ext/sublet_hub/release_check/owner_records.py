"""Reads how it stands with what is recorded of owners' servers: is it there, and written."""

from typing import Final

from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.kubernetes_api.errors import KubeNotFoundError
from sublet_hub.kubernetes_api.resources import Resource
from sublet_hub.release_check.facts import RecordsFacts, RecordsStanding
from sublet_hub.release_check.settings import ReleaseSettings

_KINDS: Final = Resource(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", False
)
_RECORDS: Final = Resource("sublet.dev/v1", "OwnerRecords", "ownerrecords")
_REVIEWS: Final = Resource(
    "authorization.k8s.io/v1", "LocalSubjectAccessReview", "localsubjectaccessreviews"
)


class RecordsReader:
    """The way to what Kubernetes says of the records. Its question raises ``KubeError``."""

    def __init__(self, api: KubeApi, settings: ReleaseSettings) -> None:
        self._api = api
        self._settings = settings

    async def read(self) -> RecordsFacts:
        """Return how it stands with them now, and with which."""
        settings = self._settings
        if not settings.owner_records:
            return RecordsFacts(RecordsStanding.OK)
        if not await self._has(_KINDS, None, "ownerrecords.sublet.dev"):
            return RecordsFacts(RecordsStanding.NO_KIND)
        missing, kept = [], []
        for name in settings.owner_records:
            if not await self._has(_RECORDS, settings.namespace, name):
                missing.append(name)
            elif not await self._hub_writes(name):
                kept.append(name)
        if missing:
            return RecordsFacts(RecordsStanding.NO_OBJECT, tuple(missing))
        standing = RecordsStanding.NOT_WRITTEN if kept else RecordsStanding.OK
        return RecordsFacts(standing, tuple(kept))

    async def _has(self, resource: Resource, namespace: str | None, name: str) -> bool:
        try:
            await self._api.get(resource, namespace, name)
        except KubeNotFoundError:
            return False
        return True

    async def _hub_writes(self, name: str) -> bool:
        namespace, account = self._settings.namespace, self._settings.hub_account
        asked = {
            "group": "sublet.dev",
            "resource": "ownerrecords",
            "name": name,
            "namespace": namespace,
            "verb": "patch",
        }
        who = f"system:serviceaccount:{namespace}:{account}"
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
        spec = {"user": who, "groups": groups, "resourceAttributes": asked}
        review = _REVIEWS.manifest({"namespace": namespace}, spec=spec)
        answer = await self._api.create(_REVIEWS, namespace, review)
        return bool(answer["status"]["allowed"])
