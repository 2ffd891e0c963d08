"""The processes of a slice that have, or had, something on a GPU."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.obstacles import Unsuspendable

from sublet_agent.processes.process_table import ProcessIdentity

_CPU_WINDOW_S: Final = 1.0
_UTILISATION_WINDOW: Final = timedelta(seconds=1)
"""The time that a told utilisation speaks of."""


class TrackedProcess:
    """A process of a slice that has, or had, something on a GPU."""

    __slots__ = (
        "_busy_ms",
        "_cpu_at",
        "_cpu_s",
        "_identity",
        "_image_mib",
        "_is_untold",
        "_least_mib",
        "_left_gpu_id",
        "_looked_at",
        "_lost",
        "_memory_mib",
        "_refusals",
        "_uncounted_ms",
        "_unsuspendable",
        "_unsuspendable_until",
        "_utilisation_percent",
        "_utilised_at",
    )

    def __init__(self, identity: ProcessIdentity, busy_ms: int | None = None) -> None:
        self._identity = identity
        self._memory_mib: int | None = 0
        self._utilisation_percent: int | None = 0
        self._busy_ms = busy_ms
        self._uncounted_ms = 0.0
        self._utilised_at: datetime | None = None
        self._cpu_s: float | None = None
        self._cpu_at = 0.0
        self._image_mib: int | None = None
        self._is_untold = False
        self._least_mib = 0
        self._left_gpu_id: GpuId | None = None
        self._refusals = 0
        self._lost: str | None = None
        self._unsuspendable: Unsuspendable | None = None
        self._unsuspendable_until: datetime | None = None
        self._looked_at: datetime | None = None

    @property
    def identity(self) -> ProcessIdentity:
        """The boot, pid and start time by which the process is known."""
        return self._identity

    @property
    def memory_mib(self) -> int | None:
        """The memory that the process held on the GPU at the last sample.

        ``None``: the GPU does not tell.
        """
        return self._memory_mib

    @property
    def utilisation_percent(self) -> int | None:
        """The share of the GPU's time that the process used at the last sample.

        ``None``: the GPU does not tell.
        """
        return self._utilisation_percent

    @property
    def image_mib(self) -> int | None:
        """The room that a suspended process needs to come back; ``None``: it is not suspended."""
        return self._image_mib

    @property
    def suspended(self) -> bool:
        """Whether the process's bytes are in host memory."""
        return self._image_mib is not None

    @property
    def left_gpu_id(self) -> GpuId | None:
        """The card that a suspended process left, where its slice is on another by now."""
        return self._left_gpu_id

    @property
    def lost(self) -> str | None:
        """Why the process's GPU state cannot be brought back; ``None``: it can."""
        return self._lost

    @property
    def unsuspendable(self) -> Unsuspendable | None:
        """Why the process can be paused but not suspended; ``None``: it can be suspended."""
        return self._unsuspendable

    @property
    def looked_at(self) -> datetime | None:
        """When the process was last looked at for what forbids a suspend."""
        return self._looked_at

    @property
    def is_untold(self) -> bool:
        """Whether nobody has heard yet how the process stands: a part of it may be away."""
        return self._is_untold

    @property
    def least_mib(self) -> int:
        """The least that the process holds, or needs: what was seen, where that may be a part."""
        return self._least_mib if self._memory_mib is None else self._memory_mib

    def note_untold(self) -> None:
        """Note that the driver does not say how the process stands, which nobody saw before.

        It may be in the middle of a move that an agent before this one began: what is on the card
        then is a part of what it needs.
        """
        self._is_untold = True
        self.note_measured(self._memory_mib, self._utilisation_percent)

    def note_told(self) -> None:
        """Note that the driver has said how the process stands: what is measured is all of it."""
        self._is_untold = False

    def note_measured(self, memory_mib: int | None, utilisation_percent: int | None = 0) -> None:
        """Note what the process holds and uses of the GPU, as measured; ``None``: not told."""
        self._memory_mib = None if self._is_untold else memory_mib
        self._least_mib = max(self._least_mib, memory_mib or 0) if self._is_untold else 0
        self._utilisation_percent = utilisation_percent

    def count_use(self, busy_ms: int) -> int:
        """Return how much of ``busy_ms``, a process's GPU time so far, is new, in milliseconds."""
        used_ms = busy_ms - (self._busy_ms or 0)
        self._busy_ms = busy_ms
        return used_ms

    def count_utilisation(self, percent: int, now: datetime) -> int:
        """Return the GPU time since the last call, in milliseconds, where no device counts it.

        Reckoned from the share of the GPU's time that the process is said to use, and of no more
        than the second that this speaks of. What is less than a millisecond is kept for the next
        call.
        """
        before, self._utilised_at = self._utilised_at, now
        if before is not None:
            passed = min(_UTILISATION_WINDOW, max(timedelta(), now - before))
            self._uncounted_ms += passed / timedelta(milliseconds=1) * percent / 100
        used_ms = int(self._uncounted_ms)
        self._uncounted_ms -= used_ms
        return used_ms

    def cpu_share(self, used_s: float, monotonic: float) -> float | None:
        """Return which share of one CPU the process used lately, from its CPU time so far.

        ``None`` until a second has passed since the last answer, or since its bytes moved.
        """
        if self._cpu_s is None:
            self._cpu_s, self._cpu_at = used_s, monotonic
            return None
        passed_s = monotonic - self._cpu_at
        if passed_s < _CPU_WINDOW_S:
            return None
        share = (used_s - self._cpu_s) / passed_s
        self._cpu_s, self._cpu_at = used_s, monotonic
        return share

    def note_look(self, obstacle: Unsuspendable | None, now: datetime) -> bool:
        """Note what forbids a suspend, if anything; return whether that is news.

        A reason of before that nothing is seen of any more holds until its time has passed, or
        for as long as the process lives, but for those that may pass; these never take the place
        of one that holds.
        """
        self._looked_at = now
        before, until = self._unsuspendable, self._unsuspendable_until
        has_passed = before is not None and before.obstacle.may_pass
        is_over = has_passed or (until is not None and now >= until)
        if obstacle is not None:
            if obstacle.obstacle.may_pass and before is not None and not is_over:
                return False
            self.mark_unsuspendable(obstacle)
            return before != obstacle
        if is_over:
            self._unsuspendable, self._unsuspendable_until = None, None
            return True
        return False

    def mark_unsuspendable(self, reason: Unsuspendable, until: datetime | None = None) -> None:
        """Note why the process cannot be suspended; without a time, for as long as it lives."""
        self._unsuspendable, self._unsuspendable_until = reason, until

    def goes_away(
        self, image_mib: int, on_card_mib: int = 0, left_gpu_id: GpuId | None = None
    ) -> None:
        """Note that a process's bytes are in host memory, and how many may be on the card, too.

        ``left_gpu_id``: the card that they left; ``None``: the slice's.

        What the driver itself computed while it moved the bytes is nobody's work.
        """
        self._image_mib, self._memory_mib = image_mib, on_card_mib
        self._left_gpu_id = left_gpu_id
        self._cpu_s = None

    def changes_card(self, before: GpuId, after: GpuId) -> None:
        """Note that the slice of a suspended process is on another card: it comes back there."""
        left = self._left_gpu_id or before
        self._left_gpu_id = None if left == after else left

    def comes_back(self) -> None:
        """Note that a process's bytes are on the card again, where they were away."""
        if self._image_mib is not None:
            self._memory_mib, self._image_mib = self._image_mib, None
            self._left_gpu_id = None
            self._cpu_s, self._refusals = None, 0

    def count_refusal(self) -> int:
        """Count a restore that the driver refused although there was room; return the count."""
        self._refusals += 1
        return self._refusals

    def loses(self, reason: str) -> None:
        """Note that the process's GPU state cannot be brought back, and why."""
        self._lost = reason


class SliceProcesses:
    """The processes of one slice on its GPU; iterating gives those at that moment."""

    __slots__ = ("_by_pid",)

    def __init__(self) -> None:
        self._by_pid: dict[int, TrackedProcess] = {}

    def __iter__(self) -> Iterator[TrackedProcess]:
        return iter(tuple(self._by_pid.values()))

    def __len__(self) -> int:
        return len(self._by_pid)

    def on_gpu(self) -> list[TrackedProcess]:
        """Return the processes whose bytes are on the GPU."""
        return [p for p in self._by_pid.values() if not p.suspended and p.lost is None]

    def away(self) -> list[TrackedProcess]:
        """Return the processes that are suspended and can come back."""
        return [p for p in self._by_pid.values() if p.suspended and p.lost is None]

    def held_mib(self) -> int:
        """Return how much the processes hold on the GPU, or may hold there, in MiB.

        It is the least where not all ``is_told``.
        """
        return sum(p.least_mib for p in self._by_pid.values() if p.lost is None)

    def is_told(self) -> bool:
        """Whether the GPU tells how much each of the processes holds."""
        return all(p.memory_mib is not None for p in self._by_pid.values() if p.lost is None)

    def image_mib(self) -> int:
        """Return how much of the processes is in host memory, in MiB."""
        return sum(p.image_mib or 0 for p in self.away())

    def find(self, identity: ProcessIdentity) -> TrackedProcess | None:
        """Return what is known of this process; ``None`` where it is not among them."""
        process = self._by_pid.get(identity.pid)
        return process if process is not None and process.identity == identity else None

    def track(self, identity: ProcessIdentity, busy_ms: int | None = None) -> TrackedProcess:
        """Return a new record of this process, in place of one that had its pid before it.

        ``busy_ms``: how much GPU time it had used by then, where that is known.
        """
        process = self._by_pid[identity.pid] = TrackedProcess(identity, busy_ms)
        return process

    def forget(self, identity: ProcessIdentity) -> None:
        """Forget this process, where it is among them."""
        if self.find(identity) is not None:
            del self._by_pid[identity.pid]
