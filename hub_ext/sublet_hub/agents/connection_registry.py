"""The exchange of all agents' connections: assignments out, reports and events in.

Assignments are levels: sent whole on each change of the ledger that touches the node, and every
five seconds. Several changes at once are sent as one. A job's change touches the nodes of those
jobs alone that have another place among the jobs than before; whatever changes the rank of a slice,
its own node.
"""

import asyncio
import hashlib
import itertools
import logging
import zlib
from collections.abc import Callable
from typing import Final, Protocol

from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.wire.agent_link import AgentEvent, Assignments, Events, GpuReport, Hello, Status
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.agents.assignments import Assigner
from sublet_hub.agents.identity import AgentIdentities
from sublet_hub.agents.newcomers import Newcomers
from sublet_hub.agents.pace import MessagePace
from sublet_hub.agents.refused_agents import RefusedAgents
from sublet_hub.ledger.events import MOST_FOREIGN_BYTES, node_event
from sublet_hub.ledger.records import Change, EventRecord, GpuRecord
from sublet_hub.ledger.text import within_bytes
from sublet_hub.state.fleet import NodeView
from sublet_hub.state.isolation import Isolation
from sublet_hub.state.metrics import ServiceMetrics
from sublet_hub.state.stores import Stores

_LOG = logging.getLogger(__name__)
RESEND_S = 5.0
_PARTS = 20
_MOST_CARDS: Final = 128
"""So many cards of one node the ledger knows, of which a node tells half at a time: of more those
go that it tells of no more, and that hold no slice.
"""
EventListener = Callable[[AgentEvent, EventRecord], None]


class AgentConnection(Protocol):
    """One agent's connection, as the exchange needs it."""

    def send(self, message: Assignments) -> None:
        """Tell the agent something."""
        ...

    def replace(self) -> None:
        """End the connection: a newer one of the same node has come."""
        ...

    def close(self, code: int, reason: str) -> None:
        """End the connection, and say why."""
        ...


class AgentConnections:
    """The connections of all agents."""

    def __init__(
        self, stores: Stores, agents: AgentIdentities, assigner: Assigner, metrics: ServiceMetrics
    ) -> None:
        self.agents = agents
        self.metrics = metrics
        self.refused = RefusedAgents(stores.now)
        self._stores = stores
        self._assigner = assigner
        self.newcomers = Newcomers()
        self._isolation = Isolation()
        self._sockets: dict[NodeId, AgentConnection] = {}
        self._paces: dict[NodeId, MessagePace] = {}
        self._sequence = 0
        self._looks_soon = False
        self._to_assign: set[NodeId] = set()
        self._nodes = {record.slice_id: record.gpu.node for record in stores.ledger.slices.values()}
        """Each slice's node, as agents were told: who is released is in no index any more."""
        self._on_status: list[Callable[[NodeView], None]] = []
        self._on_event: list[EventListener] = []
        stores.ledger.listen(self._ledger_changed)

    def on_status(self, listener: Callable[[NodeView], None]) -> None:
        """Call ``listener`` after each report of an agent."""
        self._on_status.append(listener)

    def on_event(self, listener: EventListener) -> None:
        """Call ``listener`` for each event that was stored."""
        self._on_event.append(listener)

    def pace_of(self, node: NodeId) -> MessagePace:
        """Return the pace of a node's messages, whichever connection they come by."""
        return self._paces.setdefault(node, MessagePace())

    def connect(self, socket: AgentConnection, hello: Hello) -> NodeView:
        """Count a connection, and return the node's view; an earlier one of this node ends."""
        node = NodeId(hello.node)
        self.newcomers.drop(node, socket)
        now = self._stores.now()
        epoch = self._stores.ledger.epoch(node) + 1
        words = f"{node}, version {hello.version}"
        told = node_event(EventKind.AGENT_CONNECTED, node, now, words)
        self._stores.ledger.apply(Change(epoch_of=(node, epoch), events=(told,)), now)
        before = self._sockets.pop(node, None)
        view = self._stores.fleet.connected(hello, epoch)
        self._sockets[node] = socket
        if before is not None:
            before.replace()
        _LOG.info("the agent of %s is connected (epoch %d)", node, epoch)
        return view

    def disconnect(self, socket: AgentConnection, view: NodeView) -> None:
        """Note the end of a connection."""
        if self._sockets.get(view.node) is socket:
            del self._sockets[view.node]
        self._stores.fleet.disconnected(view.node, view.epoch)
        _LOG.info("the agent of %s is disconnected (epoch %d)", view.node, view.epoch)

    def reported(self, view: NodeView, status: Status) -> None:
        """Take a report: the fleet's view, and in the ledger the cards that are news."""
        before = set(view.gpus)
        news = self._stores.fleet.reported(view, status)
        if news:
            records = tuple(_gpu_record(view.node, report) for report in news)
            gone = self._no_longer_told(view, records)
            self._stores.ledger.apply(Change(gpus=records, gone=gone), self._stores.now())
        if news or set(view.gpus) != before:
            self.assign(view.node)
        for listener in self._on_status:
            listener(view)

    def _no_longer_told(self, view: NodeView, news: tuple[GpuRecord, ...]) -> tuple[GpuId, ...]:
        """Return the cards that the ledger forgets of a node that has too many with these."""
        ledger = self._stores.ledger
        known = ledger.gpus_on_node(view.node)
        too_many = len({gpu.gpu_id for gpu in (*known, *news)}) - _MOST_CARDS
        if too_many <= 0:
            return ()
        empty = (gpu.gpu_id for gpu in known if not ledger.slices_on_gpu(gpu.gpu_id))
        return tuple(sorted(set(empty) - view.gpus.keys()))[:too_many]

    def happened(self, view: NodeView, told: Events) -> tuple[str, ...]:
        """Store an agent's events, of its own node alone; return the ids that it may forget."""
        own = [(e, self._record(view, e)) for e in told.events if self._is_its_own(view, e)]
        fresh = self._stores.ledger.add_events(tuple(record for _, record in own))
        for agent_event, record in own:
            if record.event_id in fresh:
                # It is stored: what cannot be done about it keeps no other event waiting.
                with self._isolation.of(f"an event ({record.kind}) of the agent of {view.node}"):
                    for listener in self._on_event:
                        listener(agent_event, record)
        return tuple(e.event_id for e in told.events)

    def assign(self, node: NodeId) -> None:
        """Send the node's assignments soon, with whatever else changes meanwhile."""
        self._look_soon()
        self._to_assign.add(node)

    def look_at_ranks(self) -> None:
        """Tell the nodes of slices whose rank is another than before, soon."""
        self._look_soon()

    def assign_all(self) -> None:
        """Send everybody's assignments soon."""
        for node in self._sockets:
            self.assign(node)

    async def run(self) -> None:
        """Send everybody's assignments every five seconds, and not all at the same moment."""
        for part in itertools.cycle(range(_PARTS)):
            for node in self._sockets:
                # Each agent answers at once: a thousand answers would keep all else waiting.
                if zlib.crc32(node.encode()) % _PARTS == part:
                    self.assign(node)
            await asyncio.sleep(RESEND_S / _PARTS)

    def close(self) -> None:
        """End all connections: the service stops."""
        for socket in list(self._sockets.values()):
            socket.close(1001, "the service stops")

    def _look_soon(self) -> None:
        if not self._looks_soon:
            self._looks_soon = True
            asyncio.get_running_loop().call_soon(self._send_assignments)

    def _send_assignments(self) -> None:
        self._looks_soon = False
        nodes, self._to_assign = self._to_assign, set()
        with self._isolation.of("the order of jobs"):
            nodes |= self._assigner.reordered()
        with self._isolation.of("the ranks of slices"):
            nodes |= self._assigner.ranks_changed()
        for node in nodes:
            with self._isolation.of(f"what the agent of {node} is told"):
                self._send_to(node)

    def _send_to(self, node: NodeId) -> None:
        socket, view = self._sockets.get(node), self._stores.fleet.node(node)
        if socket is None or view is None:
            return
        self._sequence += 1
        gpus, slices = self._assigner.assignments(node, view.gpus)
        socket.send(
            Assignments(
                epoch=view.epoch,
                sequence=self._sequence,
                heard=view.sequence,
                lending=self._stores.ledger.lending,
                gpus=gpus,
                slices=slices,
            )
        )

    def _ledger_changed(self, change: Change) -> None:
        if change.lending is not None or change.closings or change.opened:
            self.assign_all()
        elif change.jobs or change.slices or change.released or change.gpus:
            # The order of jobs, or what others are entitled to, may be another now.
            self._look_soon()
        touched = {self._nodes.pop(slice_id, None) for slice_id in change.released}
        for record in change.slices:
            # One that has moved is no longer served where it was.
            touched |= {self._nodes.get(record.slice_id), record.gpu.node}
            self._nodes[record.slice_id] = record.gpu.node
        for node in touched:
            if node in self._sockets:
                self.assign(node)

    def _is_its_own(self, view: NodeView, told: AgentEvent) -> bool:
        ledger = self._stores.ledger
        gpu = ledger.gpus.get(GpuId(told.gpu_id))
        record = None if told.slice_id is None else ledger.slices.get(SliceId(told.slice_id))
        own_gpu = gpu is not None and gpu.node == view.node
        return own_gpu and (record is None or record.gpu.node == view.node)

    def _record(self, view: NodeView, told: AgentEvent) -> EventRecord:
        record = self._stores.ledger.slices.get(SliceId(told.slice_id or ""))
        # The node's name is part of the id: no agent can hide another's event by its number.
        digest = hashlib.sha256(f"{view.node}\0{told.event_id}".encode()).hexdigest()
        return EventRecord(
            event_id=digest[:32],
            at=min(told.at, self._stores.now()),
            kind=told.kind.value,
            node=view.node,
            gpu_id=told.gpu_id,
            slice_id=told.slice_id,
            for_slice_id=told.for_slice_id,
            owner=None if record is None else record.owner,
            bytes_mib=told.bytes_mib,
            took_s=told.took_s,
            detail=within_bytes(told.detail, MOST_FOREIGN_BYTES),
        )


def _gpu_record(node: NodeId, report: GpuReport) -> GpuRecord:
    return GpuRecord(
        gpu_id=GpuId(report.gpu_id),
        node=node,
        index=report.index,
        type=report.type,
        memory_mib=report.memory_mib,
        margin_mib=report.margin_mib,
        simulated=report.simulated,
    )
