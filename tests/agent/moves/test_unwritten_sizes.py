"""Suspended processes of which nobody wrote down what they need: their slice's cap bounds it."""

from dataclasses import replace

from sublet_agent.moves.plan import MoveEnd, MovePlan, UndoSwitch
from sublet_agent.moves.recovery import find_unwritten, recover, take_over_suspended
from sublet_agent.moves.resume import resume_slice
from sublet_agent.moves.suspend import suspend_slice
from sublet_agent.state_files.journal import Journal, Step
from sublet_quota.names.ids import GpuId

from tests.support.fake_device import GPU
from tests.support.fake_service_link import slice_assignment

OTHER = GpuId("FAKE-1")
GIB = 1024


def of_nobody_knows_what_size(bench, *pids):
    """Suspend processes of one slice, of 40 GiB in all, and let everything written be lost."""
    targets = [bench.process("a", pid, gib * GIB) for pid, gib in pids]
    plan = bench.plan(*targets)
    assert suspend_slice(bench.tools, plan, UndoSwitch()).end is MoveEnd.DONE
    bench.journal.write(Step.GONE, plan.processes)
    for pid, _ in pids:
        bench.table.uids[pid] = 1000
        bench.table.environments[pid] = {"SUBLET_SLICE_ID": "a"}
    assigned = slice_assignment("a", GPU, 40 * GIB, uid=1000)
    bench.attribution.serve([assigned])
    found = find_unwritten(bench.tools, bench.attribution, [assigned], ())
    for target in found.suspended:
        take_over_suspended(bench.tools, target)
    return MovePlan("a", GPU, tuple(found.suspended)), assigned


def neighbour(bench, pid, memory_mib):
    bench.process("b", pid, memory_mib)


def test_of_whom_nobody_knows_how_much_they_need_together_need_their_slices_cap(bench):
    plan, _ = of_nobody_knows_what_size(bench, (1, 30), (2, 10))
    assert sum(t.image_mib for t in plan.processes) == 40 * GIB
    margin_mib = bench.tools.settings.margin_mib
    neighbour(bench, 3, 40 * GIB - margin_mib + 1)
    assert resume_slice(bench.tools, plan).end is MoveEnd.PUT_OFF
    bench.end(3)
    # What the first leaves of it is enough for the second, however much it is.
    neighbour(bench, 4, 40 * GIB - margin_mib)
    assert resume_slice(bench.tools, plan).end is MoveEnd.DONE
    assert not bench.tools.caps_mib


def test_the_next_agent_reads_that_nobody_knew(bench):
    bench.device.cards = (GPU, OTHER)
    plan, assigned = of_nobody_knows_what_size(bench, (1, 30), (2, 10))
    neighbour(bench, 3, 60 * GIB)
    assert resume_slice(bench.tools, plan).end is MoveEnd.PUT_OFF
    journal = Journal(bench.folder / "journal.jsonl")
    tools = replace(bench.tools, journal=journal, caps_mib={}, perhaps_on={})
    where = assigned.model_copy(update={"perhaps_on": (OTHER,)})
    recovered = recover(tools, bench.attribution, [where])
    assert set(tools.caps_mib.values()) == {40 * GIB}
    assert set(tools.perhaps_on.values()) == {frozenset((GPU, OTHER))}
    bench.end(3)
    found = MovePlan("a", GPU, tuple(recovered.suspended))
    assert resume_slice(tools, found).end is MoveEnd.DONE
    assert not any(entry.target.unwritten for entry in journal.entries())
