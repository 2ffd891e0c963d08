"""Forgets the cards of nodes that have left the cluster, as they do when it is scaled down.

Otherwise such a node is silent for ever, and its cards count among those that there are. Nothing is
forgotten while an agent is connected there or a slice is held there, nor while the cluster cannot
be asked. A node that comes back is known again by its agent's first report.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from sublet_quota.amounts.node_amounts import NodeRoom
from sublet_quota.names.ids import NodeId

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change
from sublet_hub.state.fleet import Fleet

_LOG = logging.getLogger(__name__)


class ClusterNodes(Protocol):
    """The cluster's nodes, by the names of the agents there."""

    def on_cordons(self, listener: Callable[[frozenset[NodeId]], None]) -> None:
        """Call ``listener`` with all nodes that take nothing new when others are than before."""
        ...

    def on_rooms(self, listener: Callable[[Mapping[NodeId, NodeRoom]], None]) -> None:
        """Call ``listener`` with what all nodes have beside their cards when that is different."""
        ...

    async def names(self) -> frozenset[NodeId] | None:
        """Return all nodes that the cluster has now; ``None`` where it cannot be asked."""
        ...

    async def run(self) -> None:
        """Look for cordoned nodes until cancelled."""
        ...


class DepartedNodes:
    """The comparison of the nodes that nobody hears of with those of the cluster."""

    def __init__(
        self, ledger: Ledger, fleet: Fleet, nodes: ClusterNodes, now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._fleet = fleet
        self._nodes = nodes
        self._now = now

    async def forget(self) -> None:
        """Ask the cluster, where some node may be gone, and forget the nodes that are."""
        if not self._unheard_and_empty():
            return
        present = await self._nodes.names()
        if present is None:
            return
        # Looked for again: an agent may have come while the cluster was asked.
        for node in sorted(self._unheard_and_empty() - present):
            gpus = tuple(gpu.gpu_id for gpu in self._ledger.gpus_on_node(node))
            self._ledger.apply(Change(gone=gpus), self._now())
            self._fleet.forget(node)
            _LOG.info("node %s has left the cluster: its %d GPUs are forgotten", node, len(gpus))

    def _unheard_and_empty(self) -> set[NodeId]:
        return {
            node
            for node in self._fleet.silent_nodes()
            if not self._fleet.is_connected(node) and not self._ledger.slices_on_node(node)
        }
