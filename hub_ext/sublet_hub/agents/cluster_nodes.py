"""The nodes that Kubernetes has: which an admin has cordoned, and what pods may ask for on each.

Pods that must run on a cordoned node wait. What pods may ask for is what the cluster calls
allocatable, less what is set aside for pods that are not Sublet's: to see those, of all namespaces
and with all that they hold, would take a right that the service is better off without.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from sublet_quota.amounts.kube_quantity import cpu_milli_there, memory_mib_there
from sublet_quota.amounts.node_amounts import NOTHING_OF_NODE, NodeAmount, NodeRoom
from sublet_quota.errors import AmountError
from sublet_quota.names.ids import NodeId

from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.kubernetes_api.errors import KubeError
from sublet_hub.kubernetes_api.resources import Manifest, Resource
from sublet_hub.kubernetes_api.watched_objects import WatchedObjects

_LOG = logging.getLogger(__name__)
_NODES: Final = Resource("v1", "Node", "nodes", namespaced=False)


class WatchedNodes:
    """A watch over the cluster's nodes; agents are named as their nodes are."""

    def __init__(self, api: KubeApi, set_aside: NodeAmount = NOTHING_OF_NODE) -> None:
        """``set_aside``: what pods that are not Sublet's ask for on each node."""
        self._api = api
        self._set_aside = set_aside
        self._watch = WatchedObjects(api, _NODES, "", "", self._look, keep=self._what_is_looked_at)
        self._cordoned: frozenset[NodeId] = frozenset()
        self._rooms: Mapping[NodeId, NodeRoom] = {}
        self._listener: Callable[[frozenset[NodeId]], None] = lambda _: None
        self._room_listener: Callable[[Mapping[NodeId, NodeRoom]], None] = lambda _: None

    def on_cordons(self, listener: Callable[[frozenset[NodeId]], None]) -> None:
        """Call ``listener`` with all cordoned nodes when others are than before."""
        self._listener = listener

    def on_rooms(self, listener: Callable[[Mapping[NodeId, NodeRoom]], None]) -> None:
        """Call ``listener`` with what Sublet's pods may ask for on each node, when that changes."""
        self._room_listener = listener

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
        self._look_at_rooms()
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

    def _look_at_rooms(self) -> None:
        rooms = {NodeId(name): node["room"] for name, node in self._watch.objects.items()}
        if rooms != self._rooms:
            self._rooms = rooms
            self._room_listener(rooms)

    def _what_is_looked_at(self, node: Manifest) -> Manifest:
        """Return what is looked at of a node: all images that are there fill most of the others."""
        name, allocatable = node["metadata"]["name"], (node.get("status") or {}).get("allocatable")
        room = _room_of(name, allocatable or {}).less(self._set_aside)
        return {"metadata": {"name": name}, "spec": node.get("spec") or {}, "room": room}


def _room_of(name: str, allocatable: Mapping[str, Any]) -> NodeRoom:
    """Return what pods may ask for on a node; of what the cluster does not say, nothing is known.

    A node that has only just come says nothing yet.
    """
    cpu, memory = allocatable.get("cpu"), allocatable.get("memory")
    try:
        return NodeRoom(
            None if cpu is None else cpu_milli_there(cpu),
            None if memory is None else memory_mib_there(memory),
        )
    except AmountError as error:
        _LOG.warning("what node %s has for pods is not known: %s", name, error)
        return NodeRoom()
