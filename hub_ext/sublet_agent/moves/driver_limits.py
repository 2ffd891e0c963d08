"""The driver's own limits of slices' control groups: set, verified, lifted for moves, set again.

Only groups that the agent made get a limit, and only slices for which one was asked. What is set
lives in the driver, and beats what is remembered here: an agent that begins lifts what it did not
set, and every limit is read again from time to time.

That the driver moves memory of a group with a limit was never seen: a restore that it refused would
lose a notebook. So the limit is lifted before anything is paused for a move, and where it cannot be
lifted nothing is moved. It is set again before the programs run on.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.cap_keepers import DriverLimit, driver_limit_meaning

from sublet_agent.cgroups.groups_file import SliceGroup
from sublet_agent.devices.interface import DeviceError, NoControllerError
from sublet_agent.devices.memory_limits import MemoryLimits, NoMemoryLimits

_LOOK_EVERY_S: Final = 30.0
"""How often a limit is read again, or one that could not be set is tried again."""
_GROUP_EVERY_S: Final = 0.2
"""How often it is looked whether a slice has its group by now."""
_CONTROLLER: Final = "dmem"
"""The kernel's controller that the driver needs in a group, where the kernel has it (6.14)."""
_CANNOT_BE_SET: Final = frozenset({DriverLimit.OLD_DRIVER, DriverLimit.OLD_GROUPS})
"""Where no agent before this one can have set a limit either."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WantedLimit:
    """The limit that a slice is to have on its card."""

    slice_id: SliceId
    gpu_id: GpuId
    limit_mib: int | None
    """``None``: no limit was asked for."""
    held_mib: int = 0


@dataclass(slots=True)
class _Kept:
    """What is known of a slice's limits."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while the driver is asked, so that each slice's calls come one after the other."""
    on: dict[GpuId, int | None] = field(default_factory=dict)
    """The limit on each card, in MiB; of a card that is not in it, nothing is known."""
    wanted: WantedLimit | None = None
    standing: DriverLimit | None = None
    moving: bool = False
    looked_at_s: float = float("-inf")


class DriverLimits:
    """The limits of this node's slices. Safe from any thread; all but ``standing`` may block."""

    def __init__(
        self,
        limits: MemoryLimits | None = None,
        group_of: Callable[[SliceId], SliceGroup | None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``limits``: the driver's; ``None``: it has none."""
        self._limits: Final = limits or NoMemoryLimits()
        self._group_of: Final = group_of
        self._monotonic: Final = monotonic
        self._guard: Final = threading.Lock()
        self._slices: Final[dict[SliceId, _Kept]] = {}

    def standing(self, slice_id: SliceId) -> DriverLimit | None:
        """Return how it stands with a slice's limit; ``None``: none is asked for, as far as known.

        Never blocks.
        """
        kept = self._slices.get(slice_id)
        return None if kept is None else kept.standing

    def is_due(self, wanted: WantedLimit) -> bool:
        """Whether there is something to do for a slice's limit. Never blocks."""
        kept = self._slices.get(wanted.slice_id)
        if kept is None:
            return True
        was = kept.wanted
        if was is None or (was.gpu_id, was.limit_mib) != (wanted.gpu_id, wanted.limit_mib):
            return True
        if wanted.limit_mib is None:
            return False
        # A server's group is made once its first process is known; the driver is not asked before.
        again_s = _GROUP_EVERY_S if kept.standing is DriverLimit.NO_GROUP else _LOOK_EVERY_S
        return self._monotonic() - kept.looked_at_s >= again_s

    def note(self, wanted: WantedLimit) -> None:
        """Note what limit a slice is to have when it is back; nothing is set now. Never blocks."""
        with self._guard:
            self._slices.setdefault(wanted.slice_id, _Kept()).wanted = wanted

    def keep(self, wanted: WantedLimit) -> None:
        """Set, verify or lift a slice's limit, unless its memory moves now."""
        with self._kept(wanted.slice_id) as kept:
            if not kept.moving:
                self._keep(kept, wanted)

    def lift_for_move(self, slice_id: SliceId, gpu_id: GpuId) -> str:
        """Lift a slice's limit until ``move_ended``; return why that failed, or ``""``."""
        with self._kept(slice_id) as kept:
            kept.moving = True
            problem = self._lift(kept, slice_id, gpu_id)
            if not problem and kept.standing is DriverLimit.KEPT:
                kept.standing = DriverLimit.MOVING
            return problem

    def move_ended(self, slice_id: SliceId) -> None:
        """Let a slice's limit be set again."""
        with self._kept(slice_id) as kept:
            kept.moving, kept.looked_at_s = False, float("-inf")

    def set_again(self, slice_id: SliceId, gpu_id: GpuId, held_mib: int) -> None:
        """Set the limit of a slice that is back on a card, before its programs run on."""
        with self._kept(slice_id) as kept:
            kept.moving = False
            if kept.wanted is not None:
                self._keep(kept, replace(kept.wanted, gpu_id=gpu_id, held_mib=held_mib))

    @contextmanager
    def _kept(self, slice_id: SliceId) -> Iterator[_Kept]:
        with self._guard:
            if slice_id not in self._slices:
                self._forget_gone()
            kept = self._slices.setdefault(slice_id, _Kept())
        with kept.lock:
            yield kept

    def _forget_gone(self) -> None:
        """Forget slices without a group: with it the driver has forgotten the limit."""
        gone = [s for s, k in self._slices.items() if not k.lock.locked() and not self._group_of(s)]
        for slice_id in gone:
            del self._slices[slice_id]

    def _keep(self, kept: _Kept, wanted: WantedLimit) -> None:
        if wanted.limit_mib is None:
            problem = self._lift(kept, wanted.slice_id, wanted.gpu_id)
            if problem:
                log.warning("slice %s: %s", wanted.slice_id, problem)
            standing = None
        else:
            standing = self._set(kept, wanted, wanted.limit_mib)
        if standing is not kept.standing:
            _log(wanted, standing)
        kept.wanted, kept.standing = wanted, standing
        kept.looked_at_s = self._monotonic()

    def _set(self, kept: _Kept, wanted: WantedLimit, limit_mib: int) -> DriverLimit:
        group, gpu_id = self._group_of(wanted.slice_id), wanted.gpu_id
        try:
            why_not = self._why_not(group, gpu_id)
            if group is None or why_not is not None:
                self._lift(kept, wanted.slice_id, gpu_id)
                return why_not or DriverLimit.NO_GROUP
            group.tree.hand_down(group.place, _CONTROLLER)
            return self._set_in(kept, wanted, limit_mib, folder_of(group))
        except NoControllerError:
            return DriverLimit.OLD_GROUPS
        except (DeviceError, OSError) as error:
            log.warning("slice %s has no limit by the driver: %s", wanted.slice_id, error)
            kept.on.pop(gpu_id, None)
            self._lift(kept, wanted.slice_id, gpu_id)
            return DriverLimit.REFUSED

    def _set_in(
        self, kept: _Kept, wanted: WantedLimit, limit_mib: int, folder: Path
    ) -> DriverLimit:
        limits, gpu_id = self._limits, wanted.gpu_id
        for other in [gpu for gpu, mib in kept.on.items() if mib is not None and gpu != gpu_id]:
            limits.lift(other, folder)
            kept.on[other] = None
        found = limits.limit(gpu_id, folder)
        if gpu_id not in kept.on:
            if found is not None:
                limits.lift(gpu_id, folder)
                found = limits.limit(gpu_id, folder)
            kept.on[gpu_id] = None
        if kept.on[gpu_id] is None and found is not None:
            return DriverLimit.LIMITED_ABOVE
        if found is None or found.limit_mib != limit_mib:
            # An allocation fails at the limit, whatever is held; but it is not for the agent to
            # take what a program has beyond it already.
            if wanted.held_mib > limit_mib:
                return DriverLimit.OVER_CAP
            limits.set(gpu_id, folder, limit_mib)
            kept.on[gpu_id] = limit_mib
            found = limits.limit(gpu_id, folder)
        if found is not None and found.limit_mib == limit_mib < found.used_mib:
            # By the driver's own count: more than the card tells of its processes.
            self._lift(kept, wanted.slice_id, gpu_id)
            return DriverLimit.OVER_CAP
        if found is None or found.limit_mib != limit_mib:
            message = f"{limit_mib} MiB were set for {folder}, and {found} holds"
            raise DeviceError(message)
        return DriverLimit.KEPT

    def _why_not(self, group: SliceGroup | None, gpu_id: GpuId) -> DriverLimit | None:
        if group is None or not group.is_own:
            return DriverLimit.NO_GROUP
        if group.tree.version == 1:
            return DriverLimit.OLD_GROUPS
        why_not = self._limits.why_not(gpu_id, folder_of(group))
        if why_not is not None:
            return why_not
        if not group.tree.is_ours_alone(group.place):
            return DriverLimit.NOT_ALONE
        return None

    def _lift(self, kept: _Kept, slice_id: SliceId, gpu_id: GpuId) -> str:
        """Lift what is set, and what an agent before may have set; return why not, or ``""``."""
        group = self._group_of(slice_id)
        if group is None or not group.is_own or not group.tree.exists(group.place):
            kept.on.clear()
            return ""
        folder = folder_of(group)
        is_asked = kept.wanted is not None and kept.wanted.limit_mib is not None
        try:
            for card in sorted(gpu for gpu, mib in kept.on.items() if mib is not None):
                is_asked = True
                self._limits.lift(card, folder)
                kept.on[card] = None
            if gpu_id not in kept.on and self._may_have_limits(group, gpu_id):
                if self._limits.limit(gpu_id, folder) is not None:
                    self._limits.lift(gpu_id, folder)
                kept.on[gpu_id] = None
        except DeviceError as error:
            # Where nobody wants limits, an agent that may not even look keeps nobody waiting.
            if is_asked:
                return f"the driver's limit of its memory cannot be lifted: {error}"
            log.debug("slice %s: whether it has a limit is not known: %s", slice_id, error)
        return ""

    def _may_have_limits(self, group: SliceGroup, gpu_id: GpuId) -> bool:
        if group.tree.version == 1:
            return False
        return self._limits.why_not(gpu_id, folder_of(group)) not in _CANNOT_BE_SET


def folder_of(group: SliceGroup) -> Path:
    """Return the full path of a slice's group."""
    return group.tree.folder / group.place.lstrip("/")


def _log(wanted: WantedLimit, standing: DriverLimit | None) -> None:
    if standing is DriverLimit.KEPT:
        log.info("slice %s: the driver keeps it to %s MiB", wanted.slice_id, wanted.limit_mib)
    elif standing is not None:
        why = driver_limit_meaning(standing)
        log.warning("slice %s: its cap is kept by the watch, %s", wanted.slice_id, why)
