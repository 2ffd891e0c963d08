"""The slices of this node, on their GPUs: what the hub service assigned, and what is left over."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.cap_watch import CapWatch
from sublet_quota.residency.owners_turns import OwnersTurns
from sublet_quota.residency.snapshot import PoolSettings
from sublet_quota.wire.agent_link import Assignments, GpuAssignment, SliceAssignment

from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.moves.recovery import Recovered
from sublet_agent.processes.process_table import ProcessTable
from sublet_agent.residency.activity import ActivityRecord, ActivitySettings
from sublet_agent.residency.controller import GpuResidency
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.residency.slice_processes import TrackedProcess
from sublet_agent.state_files.journal import Target
from sublet_agent.state_files.moved_slices import MovedSlice, MovedSlices
from sublet_agent.state_files.open_gates import OpenGates

_NOWHERE_ELSE: Final[Mapping[str, object]] = {"move_to": None, "perhaps_on": ()}

log = logging.getLogger(__name__)


class SliceRegistry:
    """The slices of the node, by GPU, for code on the event loop.

    Any thread may call `whose` and `tenant_of`.
    """

    def __init__(
        self,
        residencies: Mapping[GpuId, GpuResidency],
        attribution: Attribution,
        table: ProcessTable,
        settings: ActivitySettings,
        moved: MovedSlices,
    ) -> None:
        self.residencies = residencies
        self._attribution = attribution
        self._table = table
        self._settings = settings
        self._moved = moved
        self._owners_turns = OwnersTurns()

    def find(self, slice_id: SliceId) -> tuple[GpuResidency, ServedSlice] | None:
        """Return the slice with its GPU's residency; ``None`` where no GPU has it.

        A slice that is on several GPUs is found on the one that it is assigned to, if any.
        """
        left: tuple[GpuResidency, ServedSlice] | None = None
        for residency in self.residencies.values():
            served = residency.slices.get(slice_id)
            if served is not None:
                if served.assignment is not None:
                    return residency, served
                left = left or (residency, served)
        return left

    def seen_elsewhere(self, served: ServedSlice) -> GpuId | None:
        """Return the GPU that a pod's processes use, where it is another than the assigned one.

        On Kubernetes the device plugin picks the GPU. ``None`` while a process of the slice is on
        the assigned one: that counts.
        """
        if served.assignment is None or served.assignment.pod_uid is None or served.processes:
            return None
        cards = (r.gpu for r in self.residencies.values())
        seen = (gpu for gpu in cards if served.slice_id in gpu.reading.strays)
        return next((gpu.gpu.gpu_id for gpu in seen), None)

    def assigned(self) -> Iterable[tuple[GpuResidency, ServedSlice]]:
        """Return every slice that the service assigned, with its GPU's residency."""
        for residency in self.residencies.values():
            for served in residency.slices.values():
                if served.assignment is not None:
                    yield residency, served

    def processes(self) -> list[tuple[int, SliceId]]:
        """Return the pid of every process on the GPUs that is a slice's, with its slice."""
        slices = (s for r in self.residencies.values() for s in r.slices.values())
        return [(p.identity.pid, s.slice_id) for s in slices for p in s.processes]

    def whose(self, pid: int, gpu_id: GpuId) -> Target | None:
        """Return the process with this pid as one of a slice on that GPU. Any thread may ask.

        ``None`` for a process that is foreign there, or is gone.
        """
        identity = self._table.identify(pid)
        slice_id = self._attribution.slice_of(identity) if identity is not None else None
        if identity is None or slice_id is None:
            return None
        served = self.residencies[gpu_id].slices.get(slice_id)
        if served is None:
            return None
        return Target(identity, gpu_id, slice_id, served.holder)

    def tenant_of(self, slice_id: SliceId) -> str | None:
        """Return whose a pod's processes are: of many pods with one account. Any thread may ask.

        ``None`` for a slice that is no pod's: on one machine the account tells, which nobody can
        choose. All slices of an owner are one tenant's, or many small pods would count as many.
        """
        found = self.find(slice_id)
        assignment = None if found is None else found[1].assignment
        if assignment is None or assignment.pod_uid is None:
            return None
        return f"owner {assignment.owner!r}"

    def apply(self, assignments: Assignments, now: datetime) -> list[Target]:
        """Serve these slices from now on, and release all others.

        Returns the processes of released slices that nothing keeps paused any more.
        """
        self._attribution.serve(assignments.slices)
        for gpu in assignments.gpus:
            self._set_pool(gpu)
        named = {SliceId(s.slice_id): self.card_of(s) for s in assignments.slices}
        self._moved.forget_all_but(named.keys())
        new = [
            served
            for assignment in assignments.slices
            if (served := self._serve(assignment, named[SliceId(assignment.slice_id)], now))
            is not None
        ]
        released: list[Target] = []
        for residency in self.residencies.values():
            for served in tuple(residency.slices.values()):
                here = named.get(served.slice_id) == residency.gpu.gpu.gpu_id
                if not here and not served.released:
                    # Also what was found at the start, and had been released before.
                    released.extend(self._release(residency, served, now))
        for served in new:
            # Whose slice ended by the same word comes after it, too.
            served.goes_on_after(self._owners_turns)
        return released

    def card_of(self, assignment: SliceAssignment) -> GpuId:
        """Return the card that a slice is on, or is to be on, by what is here and was assigned.

        That is where its processes are, whatever is assigned meanwhile: nothing of it is left
        behind. Without any it is the assigned one, unless it came to the other already.
        """
        slice_id = SliceId(assignment.slice_id)
        here = self._where_processes_are(slice_id)
        if here is not None:
            return here
        moved = self._moved.find(slice_id)
        if moved is not None and moved.gpu_id in self.residencies:
            left = self.residencies[moved.gpu_id].slices.get(slice_id)
            is_left = left is not None and bool(left.processes)
            if is_left or moved.gpu_id in {assignment.gpu_id, assignment.move_to}:
                return moved.gpu_id
        return GpuId(assignment.gpu_id)

    def _where_processes_are(self, slice_id: SliceId) -> GpuId | None:
        """Return the card with processes of a slice that was not taken back; ``None``: none has."""
        on = [
            (served.assignment is None, gpu_id)
            for gpu_id, residency in self.residencies.items()
            for served in (residency.slices.get(slice_id),)
            if served is not None and served.processes and not served.released
        ]
        return min(on)[1] if on else None

    def where_they_were(self, slices: Iterable[SliceAssignment]) -> tuple[SliceAssignment, ...]:
        """Return assignments with the cards on which an agent before this one had the slices.

        What the hub service says since then has brought nothing anywhere.
        """
        moved = ((s, self._moved.find(SliceId(s.slice_id))) for s in slices)
        return tuple(
            s if found is None else s.model_copy(update={"gpu_id": found.gpu_id, **_NOWHERE_ELSE})
            for s, found in moved
        )

    def where_they_are(self, slices: Iterable[SliceAssignment]) -> tuple[SliceAssignment, ...]:
        """Return assignments with the cards that the slices are on. Any thread may ask."""
        cards = ((s, self.card_of(s)) for s in slices)
        return tuple(
            s if s.gpu_id == gpu_id else s.model_copy(update={"gpu_id": gpu_id})
            for s, gpu_id in cards
        )

    def is_closed(self, gpu_id: GpuId) -> bool:
        """Whether a card takes nobody, or is not here."""
        residency = self.residencies.get(gpu_id)
        return residency is None or residency.gpu.closed is not None

    def told_card(self, served: ServedSlice) -> GpuId | None:
        """Return the card that a slice is on, where that is another than the assigned one.

        One that is to come back there is not there yet.
        """
        if served.assignment is None:
            return None
        moved = served.gpu_id != served.assignment.gpu_id and served.is_settled
        return served.gpu_id if moved else self.seen_elsewhere(served)

    def change_card(self, served: ServedSlice, gpu_id: GpuId) -> None:
        """Serve a slice on another card from now on: nothing of it is on the one that it leaves."""
        before = self.residencies[served.gpu_id]
        after = self.residencies[gpu_id]
        moved = MovedSlice(gpu_id, served.gpu_id)
        del before.slices[served.slice_id]
        served.change_card(gpu_id)
        after.slices[served.slice_id] = served
        self._moved.keep(served.slice_id, moved, self._away())
        for residency in (before, after):
            residency.gpu.note_other_processes()
            residency.measure_anew()
            residency.poke()

    def keep_cards(self) -> None:
        """Keep for the next agent which suspended processes come back on another card."""
        self._moved.keep_bound(self._away())

    def _away(self) -> Iterable[Target]:
        slices = [s for r in self.residencies.values() for s in r.slices.values()]
        return (t for s in slices for t in s.targets(s.processes.away()))

    def adopt(self, recovered: Recovered, now: datetime) -> None:
        """Take over the processes that stood still when this agent started.

        Those of slices that nobody serves are kept with a slice of their own: they get their
        memory back. A sample from before did not look for them, and would count them as ended.
        """
        for target in recovered.suspended:
            moved = self._moved.find(target.slice_id)
            # Without a word of where all of it is, nothing has come to the other card.
            home_id = (target.left_gpu_id or target.gpu_id) if moved is None else moved.gpu_id
            home = target.at_home(home_id)
            self._adopted(home, now).goes_away(home.image_mib, left_gpu_id=home.left_gpu_id)
        for target in recovered.lost:
            self._adopted(target, now).loses("it was lost before this agent started")
        for target in (*recovered.paused_jobs, *recovered.unpaused):
            self._adopted(target, now).note_measured(target.image_mib)
        for target in recovered.untold:
            found = self.find(target.slice_id)
            process = None if found is None else found[1].processes.find(target.identity)
            if process is not None and not process.suspended:
                process.note_untold()
        for target in recovered.paused_jobs:
            found = self.find(target.slice_id)
            if found is not None:
                found[1].pause(now)
        for residency in self.residencies.values():
            residency.gpu.note_other_processes()

    def keep_promises(self, promised: Mapping[GpuId, OpenGates], now: datetime) -> None:
        """Open the gates that an agent before this one had open, where the slice is on its GPU.

        Cells that it let through may be running. To be called when kernels can report again,
        however long the recovery took.
        """
        for residency, served in self.assigned():
            here = promised.get(residency.gpu.gpu.gpu_id, OpenGates())
            before = served.slice_id in here.open | here.past
            served.activity_record.start_listening(now, promised_before=before)
            served.note_turns_of_before(now)
            whole = not served.processes.away() and not served.paused
            if served.slice_id in here.open and whole:
                served.open_gate(now)

    def recall_caps(self, watches: Mapping[SliceId, CapWatch]) -> None:
        """Take over how slices stood to their caps by an agent before this one."""
        for _, served in self.assigned():
            if served.slice_id in watches:
                served.recall_cap(watches[served.slice_id])

    def drop_empty(self) -> None:
        """Forget released slices of which nothing is left."""
        for residency in self.residencies.values():
            for slice_id, served in tuple(residency.slices.items()):
                moving = residency.gpu.is_moving(slice_id)
                if served.assignment is None and not served.processes and not moving:
                    del residency.slices[slice_id]

    def _adopted(self, target: Target, now: datetime) -> TrackedProcess:
        residency = self.residencies.get(target.gpu_id)
        if residency is None:
            # Its card is gone from this node; another one must look after the process.
            residency = next(iter(self.residencies.values()))
        served = residency.slices.get(target.slice_id)
        if served is None:
            served = self._new(target.slice_id, residency, now)
        return served.processes.track(target.identity)

    def _new(self, slice_id: SliceId, residency: GpuResidency, now: datetime) -> ServedSlice:
        activity_record = ActivityRecord(now, self._settings)
        moved = self._moved.find(slice_id)
        came_from: GpuId | None = None
        if moved is not None:
            here = moved.gpu_id == residency.gpu.gpu.gpu_id
            came_from = moved.came_from if here else moved.gpu_id
        served = ServedSlice(
            slice_id, residency.gpu.gpu.gpu_id, activity_record, now, came_from=came_from
        )
        residency.slices[slice_id] = served
        return served

    def _serve(
        self, assignment: SliceAssignment, gpu_id: GpuId, now: datetime
    ) -> ServedSlice | None:
        """Serve a slice; return it if none was served by that name until now."""
        residency = self.residencies.get(gpu_id)
        if residency is None:
            log.warning(
                "slice %s is assigned to GPU %s, which this node does not have",
                assignment.slice_id,
                gpu_id,
            )
            return None
        slice_id = SliceId(assignment.slice_id)
        served = residency.slices.get(slice_id)
        if served is None:
            served = self._new(slice_id, residency, now)
        before = served.assignment
        differs = served.assign(assignment, now)
        wanted = assignment.wanted_since
        if wanted is not None and (before is None or before.wanted_since != wanted):
            served.activity_record.wakes(now)
        given_up = assignment.given_up_at
        # An agent that has just started knows of no cell yet, and lets nobody's slice go by it.
        if given_up is not None and before is not None and before.given_up_at != given_up:
            served.activity_record.gives_up(residency.gpu.idle_after, now)
        if differs:
            residency.poke()
        return served if before is None else None

    def _release(
        self, residency: GpuResidency, served: ServedSlice, now: datetime
    ) -> Sequence[Target]:
        """Release a slice: what is left of it is brought back and let run.

        Returns its processes that nothing keeps paused any more.
        """
        served.leaves_turns(self._owners_turns, now)
        free = served.release(ActivityRecord(now, self._settings))
        residency.poke()
        return free

    def _set_pool(self, assignment: GpuAssignment) -> None:
        residency = self.residencies.get(GpuId(assignment.gpu_id))
        if residency is None:
            return
        pool = PoolSettings(
            turn=timedelta(seconds=assignment.turn_s),
            give_back_within=timedelta(seconds=assignment.give_back_within_s),
            lend=assignment.lend,
            lend_at_least=timedelta(seconds=assignment.lend_at_least_s),
            reserved_mib=assignment.reserved_mib,
            reserved_until=assignment.reserved_until,
            max_compute_milli=assignment.max_compute_milli,
        )
        if residency.gpu.set_pool(pool, timedelta(seconds=assignment.idle_after_s)):
            residency.poke()
