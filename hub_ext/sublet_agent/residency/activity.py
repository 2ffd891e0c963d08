"""What a slice's owner does, from what is reported and what is measured.

A report moves only its sender's slice (THREATS 3). Cells and wakes are claims; measured use of
the GPU is a fact. Claims keep a slice active as facts do, but only within a budget: whoever
claims work for long without using the GPU is believed for a short while once in a time, so that
the waiting job runs and the number of moves stays bounded. A single measured use makes up for
all of it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from sublet_quota.residency.activity import Activity, ActivityEvidence, judge_activity
from sublet_quota.wire.tenant_socket import KernelActivity

_REFILL: int = 4
"""How many times slower idle time refills the budget than claims use it up."""
_FRESH = timedelta(seconds=10)
"""How long the word of a kernel holds whose connection has ended: it reports again, or is gone."""
_HEARD_WITHIN = timedelta(seconds=3)
"""How long after its start an agent may not have heard yet that a cell runs."""
_MEASURED_LATE = timedelta(seconds=2)
"""How long after its owner gave a slice up measured use of its GPU may be of before."""
_RESTS_AFTER = timedelta(seconds=5)
"""A shorter pause between cells is no rest."""
_MOST_KERNELS = 256
_MOST_CELLS_OF_A_KERNEL = 256
"""How many cells are remembered of a kernel that never reports; the newest count."""


@dataclass(frozen=True, slots=True)
class ActivitySettings:
    """What counts as work, and for how long it counts on a tenant's word alone."""

    wake_cpu_share: float = 0.25
    """The share of one CPU from which on a process is at work."""
    unused_budget: timedelta = timedelta(seconds=1200)
    """So long a slice may be active without any measured use of its GPU. Idle time refills it,
    four times slower; measured use at once."""
    claim_counts_for: timedelta = timedelta(seconds=10)
    """How long a cell or a wake without use of the GPU counts beyond the budget."""
    busy_wakes_after: timedelta = timedelta(seconds=120)
    """A suspended slice one of whose cells still runs is woken after so long: that cell may
    wait inside a GPU call, which nothing shows."""

    @classmethod
    def of_seconds(
        cls, wake_cpu_share: float, unused_budget_s: float, busy_wakes_after_s: float
    ) -> Self:
        """Return the settings that the command line knows."""
        return cls(
            wake_cpu_share=wake_cpu_share,
            unused_budget=timedelta(seconds=unused_budget_s),
            busy_wakes_after=timedelta(seconds=busy_wakes_after_s),
        )


@dataclass(slots=True)
class _Kernel:
    sequence: int
    busy: bool
    cell: str | None
    reported: datetime
    let_through: dict[str, object | None] = field(default_factory=dict)
    """The kernel's cells that were let through its slice's gate, each with the connection by which
    it was named last: only what comes by that one is later. ``None``: whatever comes is."""
    asked: set[str] = field(default_factory=set)
    """The kernel's cells at the gate before its first report."""
    connection: object | None = None
    """The connection of its reports; while that is open, the kernel tells a new level at once."""
    has_reported: bool = False

    def note_let_in(self, cell: str, connection: object | None) -> None:
        """Note that the gate is open to one of the kernel's cells."""
        while len(self.let_through) >= _MOST_CELLS_OF_A_KERNEL:
            del self.let_through[next(iter(self.let_through))]
        self.let_through[cell] = connection

    def asks_for(self, cell: str) -> None:
        """Note that a cell of the kernel is at the gate."""
        self.let_through.pop(cell, None)
        if not self.has_reported and len(self.asked) < _MOST_CELLS_OF_A_KERNEL:
            self.asked.add(cell)

    def is_fresh(self, now: datetime) -> bool:
        """Whether what the kernel said holds still; a frozen one, say, cannot repeat it."""
        return self.connection is not None or now - self.reported < _FRESH

    def runs(self, running: frozenset[str], connection: object | None) -> None:
        """Note which of the kernel's cells run, as told by this connection: others are over.

        A kernel asks for a cell first, and names it in each level that comes after; kernels of
        before do so by two connections, and what they have not named yet may still begin.
        """
        self.let_through = {
            cell: connection if cell in running else named_by
            for cell, named_by in self.let_through.items()
            if cell in running or named_by not in (connection, None)
        }

    def loses(self, connection: object, now: datetime) -> None:
        """Note that a connection has ended: what the kernel says next is later than all of it."""
        if self.connection is connection:
            self.connection, self.reported = None, now
        for cell, named_by in self.let_through.items():
            if named_by is connection:
                self.let_through[cell] = None


class ActivityRecord:
    """The evidence of one slice, and the judgement on it."""

    def __init__(self, known_since: datetime, settings: ActivitySettings) -> None:
        self._settings = settings
        self._known_since = known_since
        self._listens_since = known_since
        self._promised_before = False
        self._kernels: dict[str, _Kernel] = {}
        self._cell_started: datetime | None = None
        self._cell_ended: datetime | None = None
        self._gpu_used: datetime | None = None
        self._woken: datetime | None = None
        self._looked_in: datetime | None = None
        """What counts as a wake, though nothing was seen of any: the agent looked in."""
        self._given_up: datetime | None = None
        self._believed: datetime | None = None
        """The last claim that was believed beyond the budget."""
        self._unused = timedelta(0)
        self._doubted = False
        self._judged: datetime | None = None
        self._activity: Activity | None = None
        self.looked_in_in_vain = 0
        """How often the slice was looked in on since its GPU was last used."""

    def cell_enters(self, cell: str, kernel: str, now: datetime) -> None:
        """Take a cell that asks at the gate as evidence."""
        self._cell_started, self._given_up = now, None
        self._note_kernel(kernel, None, busy=True, cell=cell, now=now)
        self._kernels[kernel].asks_for(cell)

    def cell_waits(self, now: datetime) -> None:
        """Note a cell at the gate, however long ago it asked: it shows no more until it is in.

        Else whoever is judged late, as by an agent that had much to do, would wait for ever.
        """
        self._cell_started = now

    def cell_is_let_through(self, cell: str, kernel: str, connection: object | None = None) -> None:
        """Note that the gate is open to a cell that asked there, by this connection."""
        noted = self._kernels.get(kernel)
        if noted is not None:
            noted.note_let_in(cell, connection)

    def start_listening(self, now: datetime, *, promised_before: bool) -> None:
        """Note that from now on kernels can report.

        ``promised_before``: an agent before this one let cells through; which, they will tell.
        """
        self._listens_since, self._promised_before = now, promised_before

    def kernel_reports(
        self, report: KernelActivity, now: datetime, connection: object | None = None
    ) -> None:
        """Take a kernel's level as evidence; a repeated level is no new evidence.

        ``connection``: by which it does, and whose end will be told.
        """
        kernel, busy, cell = report.kernel, report.busy, report.cell
        before = self._kernels.get(kernel)
        if before is not None and report.sequence < before.sequence and before.is_fresh(now):
            return
        was_busy = before is not None and before.busy
        if busy and (not was_busy or (before is not None and before.cell != cell)):
            self._cell_started, self._given_up = now, None
        elif was_busy and not busy:
            self._cell_ended = now
        self._note_kernel(kernel, report.sequence, busy=busy, cell=cell, now=now)
        noted, running = self._kernels[kernel], report.running()
        noted.connection = connection
        if not noted.has_reported and self._may_be_unheard_of(now):
            noted.let_through |= dict.fromkeys(running - noted.asked, connection)
        noted.has_reported = True
        noted.asked.clear()
        noted.runs(running, connection)

    def connection_ends(self, connection: object, now: datetime) -> None:
        """Note that a connection has ended: what its kernels said last holds for a while."""
        for noted in self._kernels.values():
            noted.loses(connection, now)

    def gpu_is_used(self, now: datetime, since: datetime | None = None) -> None:
        """Note the measured use of the GPU by a process of the slice.

        ``since``: when the GPU was measured before that; ``None``: a moment ago.
        """
        given_up = self._given_up
        if given_up is not None and (
            now - given_up < _MEASURED_LATE or (since is not None and since < given_up)
        ):
            return
        self._gpu_used = now
        self.looked_in_in_vain = 0
        self._unused = timedelta(0)
        self._doubted = False

    def wakes(self, now: datetime) -> None:
        """Take as evidence that the owner asked for the slice, or that a process uses the CPU."""
        self._woken = now

    def note_look_in(self, idle_after: timedelta, now: datetime) -> None:
        """Count the slice as active for a short while: a GPU call of it may wait unseen."""
        counts_for = min(self._settings.claim_counts_for, idle_after)
        self._looked_in = now - (idle_after - counts_for)
        self._believed = now
        self.looked_in_in_vain += 1

    def gives_up(self, idle_after: timedelta, now: datetime) -> None:
        """Note that the owner needs the slice no more for now: idle at once, unless a cell runs.

        Whatever is seen later counts again; only measured use of just before may be told late.
        """
        if self.runs_a_cell(now):
            return
        self._known_since = now - idle_after
        self._cell_started = self._cell_ended = self._gpu_used = None
        self._woken = self._looked_in = self._believed = None
        self._given_up = now

    def waits_for_its_turn(self, now: datetime) -> None:
        """Keep the evidence from wearing off while the slice has work and no room yet.

        Its cell at the gate, or its processes in the middle of a GPU call, can show nothing more
        until they get their room. The clock stands still, it does not begin anew: who shows
        nothing in several turns either becomes idle.
        """
        if self._judged is None or self._activity is None or not self._activity.active:
            return
        stood_still = now - self._judged
        self._cell_started = _later(self._cell_started, stood_still, now)
        self._cell_ended = _later(self._cell_ended, stood_still, now)
        self._gpu_used = _later(self._gpu_used, stood_still, now)
        self._woken = _later(self._woken, stood_still, now)
        self._looked_in = _later(self._looked_in, stood_still, now)
        self._believed = _later(self._believed, stood_still, now)
        self._judged = now

    def runs_a_cell(self, now: datetime) -> bool:
        """Whether a kernel says, and can still be believed, that a cell runs."""
        return any(k.busy and k.is_fresh(now) for k in self._kernels.values())

    def quiet_since(self) -> datetime:
        """Return since when nothing was seen of work, whatever of it counts as activity.

        A cell that runs on is not in it (``runs_a_cell``), nor is that the agent looked in.
        """
        seen = (
            self._known_since,
            self._cell_started,
            self._cell_ended,
            self._gpu_used,
            self._woken,
            self._given_up,
        )
        return max(at for at in seen if at is not None)

    def says_that_nothing_runs(self, now: datetime) -> bool:
        """Whether kernels have reported, and none has said of a cell that it runs, or waits.

        Whoever asked for the slice since anything was seen waits for it, though no cell does.
        """
        if now - self._listens_since < _HEARD_WITHIN or self.quiet_since() == self._woken:
            return False
        kernels = self._kernels.values()
        return any(k.has_reported for k in kernels) and not any(k.busy for k in kernels)

    def rests_since(self, now: datetime) -> datetime | None:
        """Return since when nothing of work is seen, and kernels say so, too.

        ``None``: a cell runs, or one may; or it is too short a time ago to be more than a pause.
        """
        since = self.quiet_since()
        rests = now - since >= _RESTS_AFTER and self.says_that_nothing_runs(now)
        return since if rests else None

    def may_run_a_promised_cell(self, now: datetime) -> bool:
        """Whether a cell that was let through the gate may still run.

        A cell that has not asked yet, waits, or gave up waiting was promised nothing.
        """
        return self._may_be_unheard_of(now) or any(
            k.busy and k.let_through and k.is_fresh(now) for k in self._kernels.values()
        )

    def may_run_a_cell(self, now: datetime) -> bool:
        """Whether a cell runs, as far as is known."""
        return now - self._listens_since < _HEARD_WITHIN or self.runs_a_cell(now)

    def _may_be_unheard_of(self, now: datetime) -> bool:
        """Whether a cell may run on by the promise of an agent before this one."""
        return self._promised_before and now - self._listens_since < _HEARD_WITHIN

    def judge(
        self,
        idle_after: timedelta,
        believe_again_after: timedelta,
        now: datetime,
        measured_until: datetime,
    ) -> Activity:
        """Return whether the slice is active now, and take that into account.

        The use of its GPU is known until ``measured_until``: an agent that could not measure does
        not take a slice for unused. Until its owner gave it up their word is as good.

        Beyond the budget a claim is believed only when the slice has been idle for
        ``believe_again_after``, and then for ``claim_counts_for``.
        """
        self._spend(now)
        before = self._activity
        if not self._doubted:
            evidence = ActivityEvidence(
                self._known_since,
                self._cell_started,
                self._cell_ended,
                self._gpu_used,
                _latest(self._woken, self._looked_in),
            )
        else:
            evidence = self._doubting(idle_after, believe_again_after, now)
        if self._given_up is not None:
            measured_until = max(measured_until, self._given_up)
        known = min(now, measured_until)
        self._activity = judge_activity(evidence, idle_after, known, before)
        return self._activity

    def _spend(self, now: datetime) -> None:
        before, self._judged = self._judged, now
        if before is None or self._activity is None:
            return
        passed = now - before
        if not self._activity.active:
            self._unused = max(timedelta(0), self._unused - passed / _REFILL)
        elif self._gpu_used is None or self._gpu_used < before:
            self._unused = min(self._unused + passed, self._settings.unused_budget)
        if self._unused >= self._settings.unused_budget:
            if not self._doubted:
                self._believed = None
            self._doubted = True
        elif self._unused <= self._settings.unused_budget / 2:
            self._doubted = False

    def _doubting(
        self, idle_after: timedelta, believe_again_after: timedelta, now: datetime
    ) -> ActivityEvidence:
        """Return the evidence without all claims but the one that is believed."""
        before = self._activity
        claim = _latest(self._cell_started, self._woken, self._looked_in)
        idle_since = before.since if before is not None and not before.active else None
        if (
            claim is not None
            and idle_since is not None
            and claim > idle_since
            and now - idle_since >= believe_again_after
        ):
            self._believed = now
        counts_for = min(self._settings.claim_counts_for, idle_after)
        shift = idle_after - counts_for
        long_ago = now - 2 * idle_after
        return ActivityEvidence(
            known_since=min(self._known_since, long_ago),
            gpu_used=self._gpu_used,
            woken=None if self._believed is None else self._believed - shift,
        )

    def _note_kernel(
        self, kernel: str, sequence: int | None, *, busy: bool, cell: str | None, now: datetime
    ) -> None:
        before = self._kernels.get(kernel)
        if before is None and len(self._kernels) >= _MOST_KERNELS:
            self._kernels.pop(next(iter(self._kernels)))
        if before is None:
            self._kernels[kernel] = _Kernel(sequence or 0, busy, cell, now)
            return
        before.busy, before.cell, before.reported = busy, cell, now
        if sequence is not None:
            before.sequence = sequence


def _latest(*moments: datetime | None) -> datetime | None:
    return max((at for at in moments if at is not None), default=None)


def _later(at: datetime | None, by: timedelta, now: datetime) -> datetime | None:
    return None if at is None else min(now, at + by)
