"""The connections of nodes that have not greeted yet: of each node a few at a time.

One that has greeted takes the place of the one before. Who opens connections and says nothing would
have a file of this process for each.
"""

from typing import Final, Protocol

from sublet_quota.names.ids import NodeId

_MOST: Final = 4
TRY_AGAIN: Final = 1013
"""The code of WebSocket's by which an agent hears that it may connect again."""


class Newcomer(Protocol):
    """A connection, as far as it can be ended."""

    def close(self, code: int, reason: str) -> None:
        """End the connection, and say why."""
        ...


class Newcomers:
    """The connections that have not greeted, by node, the longest waiting first."""

    def __init__(self) -> None:
        self._of_node: dict[NodeId, list[Newcomer]] = {}

    def add(self, node: NodeId, connection: Newcomer) -> None:
        """Note one more, and end the longest waiting one where that is one too many."""
        waiting = self._of_node.setdefault(node, [])
        waiting.append(connection)
        if len(waiting) > _MOST:
            waiting.pop(0).close(TRY_AGAIN, "this node has opened others since, and greeted none")

    def drop(self, node: NodeId, connection: object) -> None:
        """Note that a connection has greeted, or is closed."""
        left = [each for each in self._of_node.pop(node, ()) if each is not connection]
        if left:
            self._of_node[node] = left
