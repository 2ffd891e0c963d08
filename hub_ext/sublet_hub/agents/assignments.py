"""The assignments of an agent: the slices it serves, and the policy for each of its cards."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from sublet_quota.admission.slice_admission import rank_of
from sublet_quota.document.sections import Pool
from sublet_quota.jobs.turns.job_order import JobEntitlement
from sublet_quota.names.ids import GpuId, JobId, NodeId, SliceId
from sublet_quota.placement.called_back import called_back_for_jobs
from sublet_quota.placement.reserved_room import ReservedRoom
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.agent_link import GpuAssignment, SliceAssignment

from sublet_hub.agents.startup_grace import StartupGrace
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import SliceRecord
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import Fleet

Entitlements = Callable[[], Mapping[JobId, JobEntitlement]]
"""How each job that has a slice is entitled."""
_NOT_ORDERED: Final = JobEntitlement(0, Rank.BORROWED)

_NO_POOL = Pool(lend=False)
"""The settings of a card that no pool of the document has: slices already there are served, none
lent.
"""


class Reserved(Protocol):
    """What is to be free on cards for reservations that begin soon."""

    def on_card(self, gpu_id: GpuId) -> ReservedRoom | None:
        """Return the room of a card that is to be free now; ``None``: none is."""

    def has_place_of(self, record: SliceRecord) -> bool:
        """Whether a slice has its place in the room that is kept on its card."""

    def is_in_the_way(self, record: SliceRecord) -> bool:
        """Whether a job's slice is in room that is kept for others, on no card of its group's."""


@dataclass(frozen=True, slots=True)
class AssignmentFacts:
    """What assignments hang on beside ledger and holdings."""

    entitlements: Entitlements
    grace: StartupGrace
    reserved: Reserved
    over_cap_ends_at: Callable[[SliceId], datetime | None]
    """When a slice is ended that is over its cap, unless it is back within before."""


class Assigner:
    """The maker of nodes' assignments, from ledger and document."""

    def __init__(
        self,
        ledger: Ledger,
        fleet: Fleet,
        capacity: Capacity,
        facts: AssignmentFacts,
    ) -> None:
        self._ledger = ledger
        self._fleet = fleet
        self._capacity = capacity
        self._entitlements = facts.entitlements
        self._grace = facts.grace
        self._reserved = facts.reserved
        self._over_cap_ends_at = facts.over_cap_ends_at
        self._order: Mapping[JobId, JobEntitlement] = {}
        self._policies: dict[GpuId, tuple[Pool, GpuAssignment]] = {}
        """What was made of each card's pool: told again and again, it seldom changes."""

    def reordered(self) -> set[NodeId]:
        """Return the nodes of jobs that are entitled otherwise than when this was asked last."""
        before, now = self._order, self._entitlements()
        self._order = now
        if now is before:
            return set()
        moved = {job_id for job_id, entitled in now.items() if before.get(job_id) != entitled}
        jobs = (self._ledger.live_jobs[job_id] for job_id in moved)
        return {
            record.gpu.node
            for owner in {job.owner for job in jobs}
            for record in self._ledger.slices_of_owner(owner)
            if record.job_id in moved
        }

    def ranks_changed(self) -> set[NodeId]:
        """Return the nodes of slices whose rank is another than when this was asked last."""
        slices = self._ledger.slices
        changed = self._capacity.holdings.ranks_changed()
        return {slices[slice_id].gpu.node for slice_id in changed if slice_id in slices}

    def assignments(
        self, node: NodeId, gpus: Iterable[GpuId]
    ) -> tuple[tuple[GpuAssignment, ...], tuple[SliceAssignment, ...]]:
        """Return the policies of a node's cards, and the node's slices.

        Each job is entitled as it was when ``reordered`` was asked last.
        """
        slices = sorted(self._ledger.slices_on_node(node), key=lambda s: s.slice_id)
        return (
            tuple(self._gpu(gpu_id) for gpu_id in sorted(gpus)),
            tuple(self._slice(record) for record in slices),
        )

    def _gpu(self, gpu_id: GpuId) -> GpuAssignment:
        holdings = self._capacity.holdings
        name = holdings.pool_of(gpu_id)
        pool = _NO_POOL if name is None else holdings.document.pools[name]
        lend = pool.lend and not self._must_not_be_lent(gpu_id)
        kept = self._reserved.on_card(gpu_id)
        reserved_mib = 0 if kept is None else kept.memory_mib
        until = None if kept is None else kept.kept_until
        known = self._policies.get(gpu_id)
        if known is not None and known[0] is pool:
            told = known[1]
            if (told.lend, told.reserved_mib, told.reserved_until) == (lend, reserved_mib, until):
                return told
        policy = GpuAssignment(
            gpu_id=gpu_id,
            pool=name or "none",
            idle_after_s=pool.idle_after.total_seconds(),
            lend=lend,
            give_back_within_s=pool.give_back_within.total_seconds(),
            turn_s=pool.turn.total_seconds(),
            lend_at_least_s=pool.lend_at_least.total_seconds(),
            reserved_mib=reserved_mib,
            reserved_until=until,
            max_compute_milli=pool.max_compute,
        )
        self._policies[gpu_id] = pool, policy
        return policy

    def _slice(self, record: SliceRecord) -> SliceAssignment:
        of_job = _NOT_ORDERED
        if record.job_id is not None:
            of_job = self._order.get(record.job_id, of_job)
        if self._reserved.is_in_the_way(record):
            # What its group is guaranteed lies elsewhere.
            of_job = replace(of_job, rank=Rank.BORROWED)
        return SliceAssignment(
            slice_id=record.slice_id,
            holder=record.holder,
            owner=record.owner,
            gpu_id=record.gpu.gpu_id,
            memory_mib=record.memory_mib,
            compute_milli=record.compute_milli,
            uid=record.uid,
            root_pid=record.root_pid,
            root_start_time=record.root_start_time,
            unit_group=record.unit_group,
            pod_uid=None if record.pod is None else record.pod.uid,
            never_suspended=record.never_suspended,
            cap_kept_by=record.cap_kept_by,
            compute_kept_by=record.compute_kept_by,
            on_several_cards=self._is_on_several_cards(record),
            created_at=record.created_at,
            entitlement=of_job.place,
            rank=self._rank(record, of_job.rank),
            held_back=record.held_back_since is not None,
            move_to=record.moving_to,
            came_from=record.came_from,
            perhaps_on=record.perhaps_on,
            kept_until=record.kept_until,
            wanted_since=record.wanted_since,
            given_up_at=record.given_up_at,
            in_reserve=self._reserved.has_place_of(record),
            over_cap_ends_at=self._over_cap_ends_at(record.slice_id),
        )

    def _is_on_several_cards(self, record: SliceRecord) -> bool:
        job = None if record.job_id is None else self._ledger.live_jobs.get(record.job_id)
        return job is not None and job.gpus > 1

    def _rank(self, record: SliceRecord, of_job: Rank) -> Rank:
        """Return a slice's rank; while agents come back after a start, the one of before that.

        The cards of who is not back yet are only missing because of the start.
        """
        if record.moving_to is not None and record.called_back_since is not None:
            # Its place is on the other card: on this one it is in somebody's way.
            return Rank.CALLED_BACK
        holdings, steps = self._capacity.holdings, record.entitled
        gpu_type = holdings.type_of(record.gpu.gpu_id)
        if steps is None or gpu_type is None or self._grace.is_over:
            return of_job if record.is_job else self._rank_of_notebook(record)
        path = holdings.tree(gpu_type).paths[holdings.leaf(record.group)]
        rank = rank_of(min(steps, len(path)), len(path))
        called_back = record.called_back_since is not None and rank is not Rank.ENTITLED
        return Rank.CALLED_BACK if called_back else rank

    def _rank_of_notebook(self, record: SliceRecord) -> Rank:
        """Return a notebook's rank: who is called back for jobs alone takes turns with these."""
        holdings = self._capacity.holdings
        rank = holdings.rank(record.slice_id)
        if rank is not Rank.CALLED_BACK:
            return rank
        for_jobs = called_back_for_jobs(holdings, record.gpu.gpu_id)
        return Rank.BORROWED if record.slice_id in for_jobs else rank

    def _must_not_be_lent(self, gpu_id: GpuId) -> bool:
        """Whether a card is closed that no job is on, or from which jobs leave."""
        gpu = self._ledger.gpus.get(gpu_id)
        closing = None if gpu is None else self._fleet.closing_of(gpu)
        if closing is None:
            return False
        # Jobs that are on a card which is merely closed go on: they keep what they were lent.
        return closing.drains or not any(s.is_job for s in self._ledger.slices_on_gpu(gpu_id))
