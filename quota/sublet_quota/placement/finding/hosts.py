"""Which nodes have host memory for what is borrowed: looked up once for all of one answer."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from sublet_quota.holdings.host_memory import HostMemory, HostRoom
from sublet_quota.names.ids import NodeId


class Hosts:
    """The host memory of nodes, while nothing changes."""

    def __init__(self) -> None:
        self._rooms: Mapping[NodeId, HostRoom] | None = None
        self._short: dict[int, AbstractSet[NodeId]] = {}

    def room(self, memory: HostMemory, node: NodeId) -> HostRoom | None:
        """Return the host memory of a node; ``None``: nothing follows from it."""
        if self._rooms is None:
            self._rooms = memory.rooms()
        return self._rooms.get(node)

    def short_of(self, memory: HostMemory, memory_mib: int) -> AbstractSet[NodeId]:
        """Return the nodes on which less is left than that."""
        if memory_mib not in self._short:
            self._short[memory_mib] = memory.nodes_short_of(memory_mib)
        return self._short[memory_mib]
