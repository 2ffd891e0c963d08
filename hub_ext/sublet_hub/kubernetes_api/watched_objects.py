"""A copy of objects in the cluster, kept by a watch: listed once, then told of each change."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.kubernetes_api.errors import KubeError, KubeNotFoundError
from sublet_hub.kubernetes_api.resources import Manifest, Resource, with_query

_LOG = logging.getLogger(__name__)
_WATCH_S: Final = 240
_SILENT_S: Final = 300.0
_PAUSE_S: Final = 0.5
_FIRST_RETRY_S: Final = 0.5
_LONGEST_RETRY_S: Final = 30.0
_GONE: Final = 410


def _without_managers(value: Manifest) -> Manifest:
    """Return an object without who has written which of its fields: half of a pod is that."""
    value["metadata"].pop("managedFields", None)
    return value


def _nothing(value: Manifest) -> None:
    del value


class WatchedObjects:
    """The objects of a kind that carry labels, by their names."""

    def __init__(  # noqa: PLR0913 - what is watched, and what is done with it
        self,
        api: KubeApi,
        resource: Resource,
        namespace: str,
        labels: str,
        changed: Callable[[], None],
        *,
        keep: Callable[[Manifest], Manifest] = _without_managers,
        group: Callable[[Manifest], str | None] = _nothing,
        removed: Callable[[Manifest], None] = _nothing,
    ) -> None:
        """``keep``: what is kept of an object, its name at least; ``group``: see ``in_group``.

        ``removed``: called with an object as it was last, before its change is told of.
        """
        self._api = api
        self._resource = resource
        self._namespace = namespace
        self._labels = labels
        self._changed = changed
        self._keep = keep
        self._group = group
        self._removed = removed
        self._objects: dict[str, Manifest] = {}
        self._groups: Mapping[str | None, Sequence[Manifest]] | None = None
        self.synced = False
        """Whether the cluster was listed: before that, nothing follows from what is not here."""

    @property
    def objects(self) -> Mapping[str, Manifest]:
        """The objects that the cluster has, by name, as far as was told."""
        return MappingProxyType(self._objects)

    def in_group(self, name: str) -> Sequence[Manifest]:
        """Return the objects of one group; all are looked at once only after each change."""
        if self._groups is None:
            groups: defaultdict[str | None, list[Manifest]] = defaultdict(list)
            for value in self._objects.values():
                groups[self._group(value)].append(value)
            self._groups = dict(groups)
        return self._groups.get(name, ())

    async def run(self) -> None:
        """Keep the copy until cancelled."""
        wait_s = _FIRST_RETRY_S
        while True:
            try:
                version = await self._list()
                wait_s = _FIRST_RETRY_S
                while version:
                    version = await self._watch(version)
                    # A server that ends watches at once is not asked without a pause.
                    await asyncio.sleep(_PAUSE_S)
            except KubeNotFoundError as error:
                self._there_is_no_such_kind(error)
                await asyncio.sleep(_LONGEST_RETRY_S)
            except KubeError as error:
                _LOG.warning("the %s are not watched: %s", self._resource.plural, error)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_RETRY_S)

    def _there_is_no_such_kind(self, error: KubeError) -> None:
        """Note that the cluster does not know the kind (yet): it surely has no such objects."""
        if not self.synced or self._objects:
            _LOG.info("there are no %s in this cluster: %s", self._resource.plural, error)
        self._objects = {}
        self._synced()

    async def _list(self) -> str:
        listed = await self._api.list(self._resource, self._namespace, self._labels)
        before = self._objects
        self._objects = {item["metadata"]["name"]: self._keep(item) for item in listed["items"]}
        for name in before.keys() - self._objects.keys():
            self._removed(before[name])
        self._synced()
        return str(listed["metadata"]["resourceVersion"])

    def _synced(self) -> None:
        self._groups = None
        self.synced = True
        self._changed()

    async def _watch(self, version: str) -> str:
        """Follow from a version on; return where to go on, or ``""``: list again."""
        path = with_query(
            self._resource.path(self._namespace),
            watch="true",
            labelSelector=self._labels,
            resourceVersion=version,
            allowWatchBookmarks="true",
            timeoutSeconds=str(_WATCH_S),
        )
        async for told in self._api.lines(path, _SILENT_S):
            value = told["object"]
            if told["type"] == "ERROR":
                if value.get("code") == _GONE:
                    return ""
                message = f"the watch failed: {value.get('message')}"
                raise KubeError(message, value.get("code"))
            version = value["metadata"]["resourceVersion"]
            if told["type"] != "BOOKMARK":
                self._take(told["type"], value)
        return version

    def _take(self, kind: str, value: Manifest) -> None:
        name = value["metadata"]["name"]
        if kind == "DELETED":
            self._objects.pop(name, None)
            self._removed(self._keep(value))
        else:
            self._objects[name] = self._keep(value)
        self._groups = None
        self._changed()
