"""Resume a slice: all of its suspended processes, or none."""

from dataclasses import replace

from sublet_agent.devices.interface import DeviceError
from sublet_agent.errors import JournalError
from sublet_agent.moves.one_process import suspend_one
from sublet_agent.moves.pausing import PauseReason
from sublet_agent.moves.plan import MoveEnd, MoveOutcome, MovePlan, MoveTools
from sublet_agent.moves.restore import restore_all
from sublet_agent.state_files.journal import Target


def resume_slice(tools: MoveTools, plan: MovePlan) -> MoveOutcome:
    """Bring all suspended processes of the slice back, or none; return what became of them."""
    began = tools.monotonic()
    outcome = MoveOutcome()
    outcome.detail = tools.limits.lift_for_move(plan.slice_id, plan.gpu_id)
    if not outcome.detail:
        outcome.detail = restore_all(tools, plan, outcome)
    restored = [t for t in plan.processes if t.identity in outcome.on_gpu]
    done = outcome.on_gpu | outcome.gone | set(outcome.lost)
    outcome.suspended = {t.identity: t for t in plan.processes if t.identity not in done}
    if outcome.suspended:
        outcome.end = MoveEnd.PUT_OFF
        # The room of a part would help nobody, and be in others' way.
        for target in restored:
            _put_away_again(tools, outcome, target)
    elif outcome.lost:
        outcome.end = MoveEnd.REFUSED
        outcome.detail = "; ".join(sorted(set(outcome.lost.values())))
    else:
        for target in plan.processes:
            tools.caps_mib.pop(target.identity, None)
    running = [t for t in restored if t.identity in outcome.on_gpu]
    if outcome.suspended:
        for target in running:
            tools.paused_processes.exchange(target, PauseReason.MOVE, PauseReason.SLICE)
        tools.limits.move_ended(plan.slice_id)
    else:
        # Before they run on: from then on they may allocate.
        tools.limits.set_again(plan.slice_id, plan.gpu_id, plan.bytes_mib)
        tools.paused_processes.release(running, PauseReason.MOVE)
    for identity in outcome.gone:
        tools.host.release(identity)
    outcome.took_s = tools.monotonic() - began
    return outcome


def _put_away_again(tools: MoveTools, outcome: MoveOutcome, target: Target) -> None:
    # What of the cap it does not need may be what the others do.
    known = replace(target, unwritten=target.identity in tools.caps_mib)
    try:
        suspend_one(tools, known, outcome)
    except (DeviceError, JournalError) as error:
        outcome.detail = f"{outcome.detail}; and it could not be put away again: {error}"
    outcome.on_gpu -= outcome.suspended.keys() | outcome.gone
