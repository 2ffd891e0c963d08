"""The verbs that change what the agent keeps of a slice while it serves it.

That state belongs to the event loop: only code that runs there may change it, and only by these
verbs, which keep its parts in line with each other.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.staying import Stays
from sublet_quota.residency.actions import Wait
from sublet_quota.residency.cap_watch import CapWatch, watch_cap
from sublet_quota.residency.owners_turns import OwnersTurns
from sublet_quota.residency.turns import PastTurns
from sublet_quota.wire.agent_link import SliceAssignment

from sublet_agent.residency.activity import ActivityRecord
from sublet_agent.residency.gate import Gate, GateRequest
from sublet_agent.residency.kept_slice import CapCheck, KeptSlice, MoveFailures, PauseFailures
from sublet_agent.state_files.journal import Target


class ServedSlice(KeptSlice):
    """A slice on a GPU that the agent serves, or of which something is left there."""

    __slots__ = ()

    def assign(self, assignment: SliceAssignment, now: datetime) -> bool:
        """Serve the slice by this assignment from now on; return whether that differs from before.

        The gate of an owner's slice that grows closes: what it may have more is not promised yet.
        """
        if self.gate_open and not self.is_job and assignment.memory_mib > self._cap_mib:
            self._end_turn(now)
            self._gate = Gate(waiting_since=now)
        differs = self._assignment != assignment
        self._assignment, self._cap_mib = assignment, assignment.memory_mib
        self._released = False
        return differs

    def change_card(self, gpu_id: GpuId) -> None:
        """Serve the slice on another card from now on, where what was suspended comes back."""
        for process in self._processes:
            process.changes_card(self._gpu_id, gpu_id)
        self._close_gate()
        self._gpu_id, self._came_from = gpu_id, self._gpu_id
        self._move_failures = MoveFailures()

    def note_stays(self, gpu_id: GpuId, stays: Stays) -> None:
        """Note why the slice cannot come to another card, as long as its processes are these."""
        self._stays[gpu_id] = stays, self._identities()

    def release(self, activity_record: ActivityRecord) -> tuple[Target, ...]:
        """Serve the slice no longer; return its processes that nothing keeps paused any more.

        What is left has the new ``activity_record``, and a cap of what is still away. Its cells are
        refused and ask again: the slice may be on another GPU now, or be nobody's.
        """
        self._assignment, self._released = None, True
        self._cap_mib = self._processes.image_mib()
        self._activity, self._activity_record = None, activity_record
        self._gate, self._past_turns = Gate(), PastTurns()
        paused, self._paused = self._paused, False
        requests, self._requests = self._requests, []
        for request in requests:
            request.refused(f"slice {self._slice_id} is no longer on this GPU")
        return self.targets(self._processes.on_gpu()) if paused else ()

    def judge(
        self,
        idle_after: timedelta,
        lend_at_least: timedelta,
        now: datetime,
        measured_until: datetime,
    ) -> bool:
        """Bring activity, gate and waiting in line; return whether an owner turned active or idle.

        A slice without work has a closed gate and waits for nothing; one with work and a closed
        gate waits since now, or longer. ``measured_until``: when the GPU was last measured.
        """
        changed = False
        if not self.is_job and self._assignment is not None:
            before = self._activity
            # A kernel may have died meanwhile, or its cell have ended: then nothing waits any more.
            if self._gate.waiting_since is not None:
                if self._requests or (self._processes and not self._has_nothing_to_run(now)):
                    self._activity_record.waits_for_its_turn(now)
                elif self._processes:
                    self._waits_since(now)
            if self._requests:
                self._activity_record.cell_waits(now)
            self._activity = self._activity_record.judge(
                idle_after, lend_at_least, now, measured_until
            )
            changed = before is not None and before.active is not self._activity.active
        if not self.active:
            self._end_turn(now)
            told, self._gate = self._gate.wait, Gate()
            if told is not None:
                self.call_requests()
        elif not self.gate_open and self._gate.waiting_since is None:
            self._waits_since(now)
        return changed

    def open_gate(self, now: datetime) -> timedelta | None:
        """Open the gate, and let the slice's processes run; return how long it waited for that.

        ``None``: the gate was open already, or there is no work. The cells that wait are not
        called yet: the promise has to be kept on disk before.
        """
        if self.gate_open or not self.active:
            return None
        waiting_since = self._gate.waiting_since
        if waiting_since is None:
            self._past_turns = self._past_turns.comes(now)
        self._gate, self._paused = Gate(turn_since=now), False
        return timedelta(0) if waiting_since is None else now - waiting_since

    def show_wait(self, wait: Wait | None) -> None:
        """Tell the cells at a closed gate why they wait; an open gate has no wait."""
        if not self.gate_open and self._gate.wait != wait:
            self._gate = replace(self._gate, wait=wait)
            self.call_requests()

    def call_requests(self) -> None:
        """Tell the cells that wait that something has changed for them."""
        for request in tuple(self._requests):
            request.changed()

    def enter_gate(self, request: GateRequest, now: datetime) -> bool:
        """Return whether this cell may run now; else it waits at the gate.

        That it has come is evidence of work in any case.
        """
        if request.process is not None:
            self._kernels.note(request.process, request.kernel)
        self._activity_record.cell_enters(request.cell, request.kernel, now)
        if self.gate_open:
            self._activity_record.cell_is_let_through(
                request.cell, request.kernel, request.connection
            )
            return True
        self._requests.append(request)
        return False

    def lets_through(self, request: GateRequest) -> bool:
        """Return whether the gate is open by now: then this cell runs, and waits no longer."""
        if not self.gate_open:
            return False
        self._activity_record.cell_is_let_through(request.cell, request.kernel, request.connection)
        self.leave_gate(request)
        return True

    def leave_gate(self, request: GateRequest) -> None:
        """Forget a cell that waits no longer, where it waited."""
        if request in self._requests:
            self._requests.remove(request)

    def note_turns_of_before(self, now: datetime) -> None:
        """Note that an agent before this one served the slice: its owner is no newcomer."""
        self._past_turns = PastTurns.of_before(now)

    def goes_on_after(self, owners_turns: OwnersTurns) -> None:
        """Take over the turns that the owner had with a slice before this one."""
        if self._assignment is not None and not self.is_job:
            self._past_turns = owners_turns.of_next(self._assignment.owner)

    def leaves_turns(self, owners_turns: OwnersTurns, now: datetime) -> None:
        """Leave to the owner's next slice the turns that this one has had, as it ends."""
        if self._assignment is not None and not self.is_job:
            past = self._past_turns
            if self.gate_open:
                past = past.broken_off(now, self._worked_until(now))
            owners_turns.slice_ends(self._assignment.owner, past, now)

    def pause(self, now: datetime) -> None:
        """Keep a job's processes from the GPU, and close its gate before."""
        self._end_turn(now)
        self._paused = True

    def unpause(self) -> None:
        """Let a job's processes onto the GPU; its gate stays as it is."""
        self._paused = False

    def pausing_works(self) -> None:
        """Note that a pause of the job worked: those that did not are forgotten."""
        self._pause_failures = PauseFailures()

    def pausing_fails(self, again_at: datetime) -> None:
        """Count a pause that did not work: the job runs, and is paused again at that time."""
        self._paused = False
        failures = self._pause_failures
        self._pause_failures = replace(failures, count=failures.count + 1, again_at=again_at)

    def mark_unpausable(self, reason: str) -> None:
        """Note that a job cannot be paused, and why, until a pause of it works."""
        self._pause_failures = replace(self._pause_failures, unpausable=reason)

    def begin_suspend(self, now: datetime) -> None:
        """Close the gate, as the slice's bytes leave; with work, it waits for room from now on.

        Who waited already keeps the place that it has by that.
        """
        self._end_turn(now)
        waiting_since = self._gate.waiting_since or now
        self._gate = replace(self._gate, waiting_since=waiting_since if self.active else None)

    def evict(self) -> bool:
        """Close a job's gate for good, as its processes have to end; return whether that is new."""
        if self._evicting:
            return False
        self._close_gate()
        self._evicting = True
        return True

    def note_moved(self, now: datetime) -> None:
        """Note when the slice's GPU state came to be where it is."""
        self._state_since = now

    def moving_works(self) -> None:
        """Note that a move of the slice worked: those that did not are forgotten."""
        self._move_failures = MoveFailures()

    def moving_fails(self, not_before: datetime) -> None:
        """Count a move that did not work; the next one begins at that time at the earliest."""
        self._move_failures = MoveFailures(self._move_failures.count + 1, not_before)

    def put_off_moves(self, not_before: datetime) -> None:
        """Begin no move of the slice before that time, for a reason that is not its own."""
        self._move_failures = replace(self._move_failures, not_before=not_before)

    def note_use(self, used_ms: int, now: datetime, since: datetime | None = None) -> None:
        """Count measured use of the GPU, in milliseconds: the slice's owner is at work.

        ``since``: when the GPU was measured before that; ``None``: a moment ago.
        """
        self.count_gpu_time(used_ms)
        self._activity_record.gpu_is_used(now, since)

    def count_gpu_time(self, used_ms: int) -> None:
        """Count use of the GPU, in milliseconds, of which it is not known whether it goes on."""
        self._gpu_busy_ms += used_ms

    def check_cap(self, now: datetime) -> CapCheck:
        """Compare what the slice has with its cap; return what is news of that.

        Not to be called while it moves: bytes on their way may count on both sides.
        """
        use = self.cap_use
        over = self._assignment is not None and use.is_over
        has_mib = use.held_mib if self._assignment is not None else 0
        watch, told = watch_cap(self._cap_watch, has_mib, use.cap_mib, now)
        check = CapCheck(
            changed=over is not self._over_cap,
            kept=watch != self._cap_watch,
            told=told,
        )
        self._over_cap, self._cap_watch = over, watch
        return check

    def recall_cap(self, watch: CapWatch) -> None:
        """Take over how the slice stood to its cap by an agent before this one."""
        self._cap_watch = watch

    def _waits_since(self, now: datetime) -> None:
        self._gate = replace(self._gate, waiting_since=now)
        self._past_turns = self._past_turns.comes(now)

    def _end_turn(self, now: datetime) -> None:
        """Close the gate, and remember the turn that ends by that, if one does."""
        since = self._gate.turn_since
        if since is not None:
            self._past_turns = self._past_turns.ends(since, now, self._worked_until(now))
        self._close_gate()

    def _worked_until(self, now: datetime) -> datetime | None:
        """Return until when the owner had work; ``None``: it has."""
        if self.active:
            return self.rests_since(now)
        return min(now, self._activity_record.quiet_since())

    def _close_gate(self) -> None:
        """Close the gate; one that is closed stays as it is."""
        if self.gate_open:
            self._gate = Gate()
