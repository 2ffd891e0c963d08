"""The slices of servers in pods: which pod it is, and where the cluster put it.

On Kubernetes a slice's card is the service's choice only as far as the scheduler and the device
plugins follow it. What came of it counts: the node, when the hub tells of the pod; the card, when
the node's agent has seen the pod's processes on it. An agent's word counts for its node alone. A
slice whose pod came to a node before its agent did follows it when that agent reports.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sublet_quota.amounts.node_amounts import NodeAmount
from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.placement.card_on_node import gpu_on_node
from sublet_quota.wire.api import PodStarted, TakenOfNode
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.errors import NotFoundError
from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord, PodIdentity, SliceRecord
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import NodeView
from sublet_hub.state.owner_accounts import OwnerAccounts

_LOG = logging.getLogger(__name__)


class Pods:
    """The pods of slices: what became of them in the cluster is taken over here."""

    def __init__(
        self,
        ledger: Ledger,
        capacity: Capacity,
        accounts: OwnerAccounts,
        now: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._capacity = capacity
        self._accounts = accounts
        self._now = now
        self._awaited = {
            record.slice_id: record.pod.node
            for record in ledger.slices.values()
            if record.pod is not None and record.pod.node not in {None, record.gpu.node}
        }
        """The slices of pods on nodes of which no card is known yet."""
        ledger.listen(self._ledger_changed)

    def started(self, slice_id: SliceId, started: PodStarted) -> None:
        """Note a slice's pod and its node. ``NotFoundError`` for a slice that nobody holds."""
        record = self._ledger.slices.get(slice_id)
        if record is None:
            message = f"there is no slice {slice_id}"
            raise NotFoundError(message)
        now = self._now()
        pod = _pod(record.pod, started)
        takes = record.takes if started.takes is None else _taken(record, started.takes)
        kept_by = record.cap_kept_by if started.cap_kept_by is None else started.cap_kept_by
        after, events = replace(record, pod=pod, takes=takes, cap_kept_by=kept_by), []
        if record.pod is None or record.pod.uid != pod.uid:
            told = f"pod {pod.namespace}/{pod.name}"
            events.append(slice_event(EventKind.SLICE_STARTED, after, now, told))
        if started.node is not None:
            after = self._on_node(after, NodeId(started.node))
        if after.gpu != record.gpu:
            events.append(_placed(after, now))
        if after != record:
            self._ledger.apply(Change(slices=(after,), events=tuple(events)), now)
        self._remember_template(after, started)

    def reported(self, view: NodeView) -> None:
        """Take over pods that came before the agent, and the cards on which it saw processes."""
        for slice_id in [s for s, node in self._awaited.items() if node == view.node]:
            self._follow(slice_id, view.node)
        moved = []
        for slice_id, report in view.slices.items():
            record = self._ledger.slices.get(slice_id)
            if report.gpu_id is None or record is None or record.pod is None:
                continue
            gpu = self._ledger.gpus.get(GpuId(report.gpu_id))
            if gpu is None or gpu.node != view.node or gpu == record.gpu:
                continue
            moved.append(replace(record, gpu=gpu))
        if moved:
            now = self._now()
            events = tuple(_placed(record, now) for record in moved)
            self._ledger.apply(Change(slices=tuple(moved), events=events), now)

    def _follow(self, slice_id: SliceId, node: NodeId) -> None:
        """Move one slice to its pod's node, one at a time: where the next fits depends on it."""
        record = self._ledger.slices[slice_id]
        after = self._on_node(record, node)
        if after != record:
            now = self._now()
            self._ledger.apply(Change(slices=(after,), events=(_placed(after, now),)), now)

    def _on_node(self, record: SliceRecord, node: NodeId) -> SliceRecord:
        awaited = self._awaited.pop(record.slice_id, None)
        if record.gpu.node == node:
            return record
        gpu_id = gpu_on_node(self._capacity.holdings, record.slice_id, node)
        if gpu_id is None:
            self._awaited[record.slice_id] = node
            if awaited != node:
                _LOG.warning(
                    "slice %s is on node %s, where no agent has told of a GPU yet: it is not "
                    "served there",
                    record.slice_id,
                    node,
                )
            return record
        return replace(record, gpu=self._ledger.gpus[gpu_id])

    def _ledger_changed(self, change: Change) -> None:
        for slice_id in change.released:
            self._awaited.pop(slice_id, None)

    def _remember_template(self, record: SliceRecord, started: PodStarted) -> None:
        account = self._accounts.find(record.owner)
        if started.template is None or account is None:
            return
        template = account.template.model_copy(update={"pod": started.template})
        self._accounts.remember(account.model_copy(update={"template": template}))


def _pod(known: PodIdentity | None, started: PodStarted) -> PodIdentity:
    node = None if started.node is None else NodeId(started.node)
    if node is None and known is not None and known.uid == started.pod_uid:
        node = known.node
    return PodIdentity(started.pod_uid, started.namespace, started.pod_name, node)


def _taken(record: SliceRecord, told: TakenOfNode) -> NodeAmount:
    return told.need.with_cap(record.memory_mib)


def _placed(record: SliceRecord, now: datetime) -> EventRecord:
    told = f"the cluster put it on GPU {record.gpu.index} of {record.gpu.node}"
    return slice_event(EventKind.SLICE_PLACED, record, now, told)
