"""The recovery at an agent's start: every process that stands still is found and taken over.

The device's own word counts; the journal says whom to ask about, and how much room a suspended
process needs. Processes that the journal does not name (it was lost) are looked for among those on
the cards and those of the slices that are assigned here.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import SliceAssignment

from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.devices.interface import (
    Device,
    DeviceError,
    NoAnswerError,
    ProcessState,
    StandsStillError,
)
from sublet_agent.moves.pausing import PauseReason
from sublet_agent.moves.plan import MoveTools
from sublet_agent.moves.thawing import AT_THE_LATEST_S
from sublet_agent.moves.watches import state_after_move
from sublet_agent.processes.process_table import ProcessIdentity, ProcessTable
from sublet_agent.state_files.journal import Step, Target

MOVING: Final = frozenset({Step.SUSPENDING, Step.RESUMING})
_STATE_TRIES: Final = 5
_ACCOUNTS_AT_ONCE: Final = 8
"""As many as may be read at once."""
_PERHAPS_AWAY: Final = frozenset({Step.SUSPENDING, Step.SUSPENDED, Step.RESUMING, Step.LOST})
_AFTER_A_MOVE: Final = {
    ProcessState.SUSPENDED: Step.SUSPENDED,
    # Back on the card, or never away from it.
    ProcessState.PAUSED: Step.RESUMED,
}

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovered:
    """The processes that stood still at the start, and what was done with them."""

    suspended: list[Target] = field(default_factory=list)
    paused_jobs: list[Target] = field(default_factory=list)
    unpaused: list[Target] = field(default_factory=list)
    lost: list[Target] = field(default_factory=list)


def recover(
    tools: MoveTools, attribution: Attribution, assignments: Iterable[SliceAssignment]
) -> Recovered:
    """Let run who may run, take over the rest that stands still; return what was found and done."""
    assigned = {SliceId(s.slice_id): s for s in assignments}
    recovered = Recovered()
    unpause: list[Target] = []
    deadline = time.monotonic() + AT_THE_LATEST_S
    for target, step in _candidates(tools, attribution, assigned):
        attribution.remember(target.identity, target.slice_id)
        state, is_told = _state(tools, target.identity, step, deadline)
        if is_told and step in MOVING and state in _AFTER_A_MOVE:
            # Its move is over: nobody who reads this later has to wait for the end of it.
            is_away = state is ProcessState.SUSPENDED
            tools.journal.write(_AFTER_A_MOVE[state], [target if is_away else target.on_its_card])
        match state:
            case ProcessState.SUSPENDED:
                _note_where_else(tools, target, step, assigned.get(target.slice_id))
                tools.paused_processes.adopt(target, PauseReason.SUSPENDED)
                tools.host.settle(target.identity, target.image_mib)
                (recovered.lost if step is Step.LOST else recovered.suspended).append(target)
            case ProcessState.FAILED:
                recovered.lost.append(target)
            case ProcessState.PAUSED:
                here = target.on_its_card
                tools.paused_processes.adopt(here, PauseReason.POLICY)
                if target.holder is Holder.JOB and target.slice_id in assigned:
                    # Owners may be at work: whether it may go on, the policy says.
                    recovered.paused_jobs.append(here)
                else:
                    unpause.append(here)
            case ProcessState.RUNNING | None:
                tools.journal.write(Step.RUNNING, [target])
    # A slice of which a part is suspended must not run without it.
    away = {t.slice_id for t in recovered.suspended}
    for target in unpause:
        if target.slice_id in away:
            tools.paused_processes.exchange(target, PauseReason.POLICY, PauseReason.SLICE)
    recovered.unpaused = [t for t in unpause if t.slice_id not in away]
    tools.paused_processes.release(recovered.unpaused, PauseReason.POLICY)
    return recovered


def _note_where_else(
    tools: MoveTools, target: Target, step: Step | None, assignment: SliceAssignment | None
) -> None:
    """Note the cards on which a suspended process may have been, if nobody wrote down on which.

    The hub service wants its slice on another, or did: an agent before this one may have brought it
    there.
    """
    if step is not None or assignment is None:
        return
    wanted = () if assignment.move_to is None else (assignment.move_to,)
    cards = frozenset(map(GpuId, (target.gpu_id, *wanted, *assignment.perhaps_on)))
    if len(cards) > 1:
        tools.perhaps_on[target.identity] = cards


def _candidates(
    tools: MoveTools, attribution: Attribution, assigned: dict[SliceId, SliceAssignment]
) -> Iterable[tuple[Target, Step | None]]:
    seen: set[ProcessIdentity] = set()
    # Those first whose move may still be under way in the driver: it answers when that is over,
    # and until then nobody else may be let run, who could take the room.
    for entry in sorted(tools.journal.entries(), key=lambda e: e.step not in MOVING):
        identity = entry.target.identity
        if not tools.table.is_alive(identity):
            tools.journal.write(Step.GONE, [entry.target])
            continue
        seen.add(identity)
        yield entry.target, entry.step
    for gpu in tools.device.gpus():
        for pid, memory_mib in _listed(tools.device, gpu.gpu_id):
            target = tools.whose(pid, gpu.gpu_id)
            if target is not None and target.identity not in seen:
                seen.add(target.identity)
                # If it is away after all, with up to a whole cap; unassigned, a whole card.
                assignment = assigned.get(target.slice_id)
                most_mib = gpu.memory_mib if assignment is None else assignment.memory_mib
                image_mib = most_mib if memory_mib is None else memory_mib
                yield replace(target, image_mib=image_mib), None
    yield from _unlisted(tools.table, attribution, assigned, seen)


def _unlisted(
    table: ProcessTable,
    attribution: Attribution,
    assigned: dict[SliceId, SliceAssignment],
    seen: set[ProcessIdentity],
) -> Iterable[tuple[Target, Step | None]]:
    """Yield processes that no journal and no card names: if suspended, with up to a whole cap.

    Whose they are their memory may have to tell, and who keeps that from being read is waited for.
    So accounts are looked at side by side: nobody waits for all who do so, one after another.
    """
    uids = {s.uid for s in assigned.values()}
    by_account: defaultdict[int, list[ProcessIdentity]] = defaultdict(list)
    for pid in table.pids():
        uid = table.uid(pid)
        identity = table.identify(pid) if uid in uids else None
        if uid is not None and identity is not None and identity not in seen:
            by_account[uid].append(identity)

    def look(processes: Sequence[ProcessIdentity]) -> list[tuple[ProcessIdentity, SliceId | None]]:
        return [(identity, attribution.slice_of(identity)) for identity in processes]

    with ThreadPoolExecutor(_ACCOUNTS_AT_ONCE, "recovery") as looks:
        found = [each for account in looks.map(look, by_account.values()) for each in account]
    for identity, slice_id in found:
        assignment = assigned.get(slice_id) if slice_id is not None else None
        if assignment is None:
            continue
        seen.add(identity)
        yield (
            Target(
                identity,
                GpuId(assignment.gpu_id),
                SliceId(assignment.slice_id),
                assignment.holder,
                assignment.memory_mib,
            ),
            None,
        )


def _listed(device: Device, gpu_id: GpuId) -> list[tuple[int, int | None]]:
    try:
        return [(p.pid, p.memory_mib) for p in device.processes(gpu_id)]
    except DeviceError as error:
        log.warning("GPU %s does not list its processes: %s", gpu_id, error)
        return []


def _state(
    tools: MoveTools, identity: ProcessIdentity, step: Step | None, deadline: float
) -> tuple[ProcessState | None, bool]:
    """Return a process's state, and whether the driver has told it: else it is a guess."""
    pid = identity.pid
    for _ in range(_STATE_TRIES):
        try:
            if step in MOVING:
                return state_after_move(tools.device, tools.table, identity, deadline), True
            return tools.device.state(pid), True
        except (StandsStillError, NoAnswerError) as error:
            log.warning("nobody knows the state of process %s: %s", pid, error)
            break
        except DeviceError as error:
            log.warning("the state of process %s cannot be read: %s", pid, error)
    # Better to look after a process that runs than to forget one that does not.
    return (ProcessState.SUSPENDED if step in _PERHAPS_AWAY else ProcessState.PAUSED), False
