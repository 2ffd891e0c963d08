"""The nodes that Kubernetes has, and which an admin has cordoned: pods that must run there wait."""

import logging
from collections.abc import Callable
from typing import Final

from sublet_quota.names.ids import NodeId

from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.kubernetes_api.errors import KubeError
from sublet_hub.kubernetes_api.resources import Manifest, Resource
from sublet_hub.kubernetes_api.watched_objects import WatchedObjects

_LOG = logging.getLogger(__name__)
_NODES: Final = Resource("v1", "Node", "nodes", namespaced=False)


class WatchedNodes:
    """A watch over the cluster's nodes; agents are named as their nodes are."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._watch = WatchedObjects(api, _NODES, "", "", self._look, keep=_without_status)
        self._cordoned: frozenset[NodeId] = frozenset()
        self._listener: Callable[[frozenset[NodeId]], None] = lambda _: None

    def on_cordons(self, listener: Callable[[frozenset[NodeId]], None]) -> None:
        """Call ``listener`` with all cordoned nodes when others are than before."""
        self._listener = listener

    async def names(self) -> frozenset[NodeId] | None:
        """Return all nodes that the cluster has now; ``None`` where it cannot be asked.

        Listed anew: in a gap of the watch a node can have come that it has not told of yet.
        """
        try:
            listed = await self._api.list(_NODES, "")
        except KubeError as error:
            _LOG.warning("it is not known which nodes have left the cluster: %s", error)
            return None
        return frozenset(NodeId(item["metadata"]["name"]) for item in listed["items"])

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._watch.run()

    def _look(self) -> None:
        cordoned = frozenset(
            NodeId(name)
            for name, node in self._watch.objects.items()
            if (node.get("spec") or {}).get("unschedulable")
        )
        if cordoned == self._cordoned:
            return
        for node in sorted(cordoned - self._cordoned):
            _LOG.info("node %s is cordoned: its GPUs take no new slices", node)
        for node in sorted(self._cordoned - cordoned):
            _LOG.info("node %s is cordoned no longer", node)
        self._cordoned = cordoned
        self._listener(cordoned)


def _without_status(node: Manifest) -> Manifest:
    """Return what is looked at of a node: all images that are there fill most of the others."""
    return {"metadata": {"name": node["metadata"]["name"]}, "spec": node.get("spec") or {}}
