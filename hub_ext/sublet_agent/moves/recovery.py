"""The recovery at an agent's start: every process that stands still is found and taken over.

The device's own word counts; the journal says whom to ask about, and how much room a suspended
process needs. Processes that the journal does not name (it was lost) are looked for among those on
the cards and those of the slices that are assigned here. Where nobody had written down which slices
those are either, ``find_unwritten`` looks for theirs once the hub service has said so.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import SliceAssignment

from sublet_agent.cgroups.attribution import SLICE_VARIABLE, Attribution
from sublet_agent.devices.interface import (
    Device,
    DeviceError,
    NoAnswerError,
    ProcessState,
    StandsStillError,
)
from sublet_agent.errors import JournalError
from sublet_agent.moves.pausing import PauseReason
from sublet_agent.moves.plan import MoveTools
from sublet_agent.moves.thawing import AT_THE_LATEST_S
from sublet_agent.moves.watches import state_after_move
from sublet_agent.processes.process_table import ProcessIdentity, ProcessTable
from sublet_agent.state_files.journal import Step, Target

MOVING: Final = frozenset({Step.SUSPENDING, Step.RESUMING})
RUNS_ON: Final = frozenset({Step.PAUSING_FOR_A_TURN, Step.UNPAUSING})
"""Whoever is found paused after one of these is let run, jobs too."""
_STATE_TRIES: Final = 5
_ACCOUNTS_AT_ONCE: Final = 8
"""As many as may be read at once."""
_NOBODYS_AT_MOST: Final = 256
"""The most processes of an account that are asked about for slices that nobody serves."""
_PERHAPS_AWAY: Final = frozenset({Step.SUSPENDING, Step.SUSPENDED, Step.RESUMING, Step.LOST})
_AFTER_A_MOVE: Final = {
    ProcessState.SUSPENDED: Step.SUSPENDED,
    # Back on the card, or never away from it.
    ProcessState.PAUSED: Step.RESUMED,
}

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovered:
    """The processes that stood still at the start, and what was done with them."""

    suspended: list[Target] = field(default_factory=list)
    paused_jobs: list[Target] = field(default_factory=list)
    unpaused: list[Target] = field(default_factory=list)
    lost: list[Target] = field(default_factory=list)
    untold: list[Target] = field(default_factory=list)
    """Those of whom nothing was written, and the driver says nothing yet: they are stopped, or
    being moved for long, so that what is on their card may be a part of what they need.
    """


@dataclass(slots=True)
class _Sorted:
    """Those that stand still, by what is to be done with them."""

    recovered: Recovered = field(default_factory=Recovered)
    unpause: list[Target] = field(default_factory=list)
    unwritten: list[Target] = field(default_factory=list)
    lost_while_away: list[Target] = field(default_factory=list)

    def suspended(self, target: Target, step: Step | None) -> None:
        """Sort one in that is suspended."""
        if step is Step.LOST:
            self.lost_while_away.append(target)
        elif step is None or target.unwritten:
            self.unwritten.append(target)
        else:
            self.recovered.suspended.append(target)


def recover(
    tools: MoveTools, attribution: Attribution, assignments: Iterable[SliceAssignment]
) -> Recovered:
    """Let run who may run, take over the rest that stands still; return what was found and done."""
    assigned = {SliceId(s.slice_id): s for s in assignments}
    found = _Sorted()
    recovered = found.recovered
    deadline = time.monotonic() + AT_THE_LATEST_S
    for target, step in _candidates(tools, attribution, assigned):
        attribution.remember(target.identity, target.slice_id)
        state, is_told = _state(tools, target.identity, step, deadline)
        if step is None and not is_told:
            recovered.untold.append(target)
        if is_told and step in MOVING and state in _AFTER_A_MOVE:
            # Its move is over: nobody who reads this later has to wait for the end of it.
            is_away = state is ProcessState.SUSPENDED
            tools.journal.write(_AFTER_A_MOVE[state], [target if is_away else target.on_its_card])
        match state:
            case ProcessState.SUSPENDED:
                found.suspended(target, step)
            case ProcessState.FAILED:
                recovered.lost.append(target)
            case ProcessState.PAUSED:
                here = target.on_its_card
                tools.paused_processes.adopt(here, PauseReason.POLICY)
                is_job = target.holder is Holder.JOB and step not in RUNS_ON
                if is_job and target.slice_id in assigned:
                    # Owners may be at work: whether it may go on, the policy says.
                    recovered.paused_jobs.append(here)
                else:
                    found.unpause.append(here)
            case ProcessState.RUNNING | None:
                tools.journal.write(Step.RUNNING, [target])
    recovered.suspended.extend(_as_unwritten(tools, found.unwritten, assigned, {}))
    recovered.lost.extend(found.lost_while_away)
    for target in (*recovered.suspended, *found.lost_while_away):
        take_over_suspended(tools, target)
    _let_run(tools, found)
    return recovered


def _let_run(tools: MoveTools, found: _Sorted) -> None:
    recovered = found.recovered
    # A slice of which a part is suspended must not run without it.
    away = {t.slice_id for t in recovered.suspended}
    waiting = [t for t in found.unpause if t.slice_id in away]
    for target in waiting:
        tools.paused_processes.exchange(target, PauseReason.POLICY, PauseReason.SLICE)
    recovered.unpaused = [t for t in found.unpause if t.slice_id not in away]
    tools.paused_processes.release(recovered.unpaused, PauseReason.POLICY)
    keep_paused(tools, [*recovered.paused_jobs, *waiting])


def keep_paused(tools: MoveTools, targets: Sequence[Target]) -> None:
    """Keep processes paused that were taken over so: it may have been for a turn only.

    The driver's helper would let such a one run when that lease is over.
    """
    for failure in tools.paused_processes.keep(targets, tools.settings.pause_timeout_ms):
        if not failure.gone:
            pid = failure.target.identity.pid
            log.warning("process %s may be let run by the driver's helper: %s", pid, failure.error)


def find_unwritten(
    tools: MoveTools,
    attribution: Attribution,
    assignments: Sequence[SliceAssignment],
    known: Iterable[ProcessIdentity],
) -> Recovered:
    """Find who of these slices stands still, and is written down nowhere; nothing is done to them.

    ``known``: those that are not to be asked about. Who is locked is ``unpaused``, or a job's.
    """
    assigned = {SliceId(s.slice_id): s for s in assignments}
    targets = [target for target, _ in _unlisted(tools.table, attribution, assigned, set(known))]
    return ask_unwritten(tools, targets, assignments, {})


def ask_unwritten(
    tools: MoveTools,
    targets: Iterable[Target],
    assignments: Iterable[SliceAssignment],
    counted_mib: Mapping[SliceId, int],
) -> Recovered:
    """Ask the driver about processes of these slices of which nothing is written down.

    ``counted_mib``: what others of a slice that were found before count for, of its cap.
    """
    assigned = {SliceId(s.slice_id): s for s in assignments}
    here = (replace(t, gpu_id=GpuId(assigned[t.slice_id].gpu_id)) for t in targets)
    found = _asked(tools, here)
    found.suspended = _as_unwritten(tools, found.suspended, assigned, counted_mib)
    return found


def take_over_suspended(tools: MoveTools, target: Target) -> None:
    """Keep a suspended process from running, and count its bytes."""
    tools.paused_processes.adopt(target, PauseReason.SUSPENDED)
    tools.host.settle(target.identity, target.image_mib)


def find_nobodys(
    tools: MoveTools, gpu_id: GpuId, known: Iterable[ProcessIdentity], served: Collection[SliceId]
) -> Recovered:
    """Find who stands still for a slice that nobody serves, and is written down nowhere.

    Whose they are nobody here can tell: a slice that a process names is not believed, so that each
    counts as one of its own. Those that are locked are ``unpaused``, and nothing is done to them
    yet. Not more than some of an account are asked about.
    """
    by_account = _by_account(tools.table, tools.table.pids(), set(known))

    def look(processes: Sequence[ProcessIdentity]) -> list[ProcessIdentity]:
        named = ((i, tools.table.environment(i.pid, SLICE_VARIABLE)) for i in processes)
        return [i for i, name in named if name and name not in served][:_NOBODYS_AT_MOST]

    return _asked(
        tools,
        (
            Target(identity, gpu_id, SliceId(f"unknown-{identity.pid}"), Holder.NOTEBOOK)
            for identity in _side_by_side(look, by_account.values())
        ),
    )


def _asked(tools: MoveTools, targets: Iterable[Target]) -> Recovered:
    """Ask the driver about processes of which nothing is written down, and sort them."""
    found = Recovered()
    for target in targets:
        state, is_told = _state(tools, target.identity, None, 0)
        if not is_told:
            found.untold.append(target)
            continue
        match state:
            case ProcessState.SUSPENDED:
                found.suspended.append(target)
            case ProcessState.FAILED:
                found.lost.append(target)
            case ProcessState.PAUSED:
                is_job = target.holder is Holder.JOB
                (found.paused_jobs if is_job else found.unpaused).append(target)
            case ProcessState.RUNNING | None:
                pass
    return found


def _as_unwritten(
    tools: MoveTools,
    unwritten: Sequence[Target],
    assigned: Mapping[SliceId, SliceAssignment],
    counted_mib: Mapping[SliceId, int],
) -> list[Target]:
    """Return suspended processes with parts of what their slice may hold in all, and note that.

    How much each needs nobody knows; together they need no more than the cap. The next agent reads
    that nobody knew.
    """
    of_slice: defaultdict[SliceId, list[Target]] = defaultdict(list)
    for target in unwritten:
        of_slice[target.slice_id].append(target)
    found: list[Target] = []
    for slice_id, targets in of_slice.items():
        in_all = sum(target.image_mib for target in targets)
        if slice_id in assigned:
            in_all = min(in_all, assigned[slice_id].memory_mib)
        left_mib = max(0, in_all - counted_mib.get(slice_id, 0))
        each = -(-left_mib // len(targets))
        found.extend(replace(target, image_mib=each, unwritten=True) for target in targets)
        tools.caps_mib.update((target.identity, in_all) for target in targets)
    for target in found:
        _note_where_else(tools, target, assigned.get(target.slice_id))
    try:
        tools.journal.write(Step.SUSPENDED, found)
    except JournalError as error:
        log.warning("%s", error)
    return found


def _note_where_else(tools: MoveTools, target: Target, assignment: SliceAssignment | None) -> None:
    """Note the cards on which a suspended process may have been, if nobody wrote down on which.

    The hub service wants its slice on another, or did: an agent before this one may have brought it
    there.
    """
    if assignment is None:
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
    pids = (pid for pid in table.pids() if table.uid(pid) in uids)
    by_account = _by_account(table, pids, seen)

    def look(processes: Sequence[ProcessIdentity]) -> list[tuple[ProcessIdentity, SliceId | None]]:
        return [(identity, attribution.slice_of(identity)) for identity in processes]

    for identity, slice_id in _side_by_side(look, by_account.values()):
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


def _by_account(
    table: ProcessTable, pids: Iterable[int], seen: Collection[ProcessIdentity]
) -> Mapping[int, Sequence[ProcessIdentity]]:
    """Return those of these processes that were not seen, by account."""
    found: defaultdict[int, list[ProcessIdentity]] = defaultdict(list)
    for pid in pids:
        uid, identity = table.uid(pid), table.identify(pid)
        if uid is not None and identity is not None and identity not in seen:
            found[uid].append(identity)
    return found


def _side_by_side(
    look: Callable[[Sequence[ProcessIdentity]], Iterable[T]],
    accounts: Iterable[Sequence[ProcessIdentity]],
) -> list[T]:
    with ThreadPoolExecutor(_ACCOUNTS_AT_ONCE, "recovery") as looks:
        return [each for account in looks.map(look, accounts) for each in account]


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
