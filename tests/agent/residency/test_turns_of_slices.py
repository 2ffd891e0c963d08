"""What an agent keeps of the turns of a slice, and what its GPU's policy does by that.

The pool's turn is 60 s, a longest one 240 s. Memory leaves and comes back at 1 GiB/s.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from sublet_agent.devices.interface import Gpu, GpuMemory
from sublet_agent.residency.served_gpu import ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.residency.snapshots import NodeConditions, assemble, view_on_another_card
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.actions import OpenGate, Suspend
from sublet_quota.residency.owners_turns import OwnersTurns
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import TurnKind
from sublet_quota.residency.takes_in import takes_in
from sublet_quota.residency.turns import PastTurns

from tests.support.agent_cases import START, level
from tests.support.fake_device import GPU
from tests.support.fake_service_link import slice_assignment
from tests.support.served_slices import Cell, activity_record, after, judge, process

GIB = 1024
TURN = timedelta(seconds=60)


def slice_of(name: str, pid: int) -> ServedSlice:
    """An owner's slice of 60 GiB, with a program that holds 20."""
    served = ServedSlice(SliceId(name), GPU, activity_record(), START)
    served.assign(slice_assignment(name, GPU, 60 * GIB, created_at=START), START)
    served.processes.track(process(pid)).note_measured(20 * GIB)
    return served


@pytest.fixture
def gpu() -> ServedGpu:
    memory = GpuMemory(80 * GIB, 0, 80 * GIB)
    card = Gpu(GPU, 0, "Fake GPU", 80 * GIB, simulated=True)
    return ServedGpu(card, memory, first_mib_per_s=GIB)


def decided(gpu, now, *slices):
    """What the policy does on this GPU, by what the agent shows it."""
    node = NodeConditions(now, lending=True, margin_mib=GIB, host_free_mib=200 * GIB)
    for served in slices:
        judge(served, now)
    actions = decide(assemble(gpu, slices, node)).actions
    return [(type(each), each.slice_id) for each in actions]


def works(served, now):
    """A cell of the slice asks at its gate."""
    return served.enter_gate(Cell().request, now)


def ends_its_cell(served, now):
    served.activity_record.kernel_reports(level("k", 1, None), now)


def kind(served):
    return served.past_turns.next_kind(TURN)


#  GPU [AAAA aaaaaaaa ....] host [BBBB]   both take 40 s there and back: a turn is worth 160 s
def test_a_turn_is_not_ended_before_it_is_worth_what_it_costs(gpu):
    there, comes = slice_of("a", 1), slice_of("b", 2)
    there.note_turns_of_before(START)
    comes.note_turns_of_before(START)
    works(there, START)
    there.open_gate(START)
    works(comes, START)
    comes.processes.find(process(2)).goes_away(20 * GIB)
    assert decided(gpu, after(159), there, comes) == []
    assert decided(gpu, after(160), there, comes) == [(Suspend, "a")]


def test_a_newcomer_gets_in_after_one_switch_is_worth_it(gpu):
    there, comes = slice_of("a", 1), slice_of("b", 2)
    works(there, START)
    there.open_gate(START)
    works(comes, after(30))
    comes.processes.find(process(2)).goes_away(20 * GIB)
    assert decided(gpu, after(39), there, comes) == []
    assert decided(gpu, after(40), there, comes) == [(Suspend, "a")]


def test_whose_turn_a_newcomer_ended_is_not_put_off_again(gpu):
    there, comes = slice_of("a", 1), slice_of("b", 2)
    works(there, START)
    there.open_gate(START)
    there.begin_suspend(after(40))
    there.open_gate(after(100))
    works(comes, after(100))
    comes.processes.find(process(2)).goes_away(20 * GIB)
    assert kind(there) is TurnKind.WHOLE
    assert decided(gpu, after(259), there, comes) == []
    assert decided(gpu, after(260), there, comes) == [(Suspend, "a")]


def test_a_slice_that_nobody_had_a_turn_with_is_a_newcomers(owners):
    judge(owners)
    assert kind(owners) is TurnKind.FIRST
    owners.open_gate(after(1))
    assert kind(owners) is TurnKind.FIRST


def test_a_cell_that_ends_before_its_turn_does_and_another_make_no_newcomer(owners):
    works(owners, START)
    owners.open_gate(START)
    ends_its_cell(owners, after(70))
    owners.begin_suspend(after(80))
    judge(owners, after(81))
    works(owners, after(90))
    judge(owners, after(90))
    assert kind(owners) is TurnKind.USUAL


def restarts(served: ServedSlice, turns: OwnersTurns, ends: float, begins: float) -> ServedSlice:
    """The owner's next slice, after that one has ended."""
    served.leaves_turns(turns, after(ends))
    fresh = slice_of(f"{served.slice_id}-next", 3)
    fresh.goes_on_after(turns)
    works(fresh, after(begins))
    judge(fresh, after(begins))
    return fresh


def test_who_restarts_a_server_is_no_newcomer_by_that():
    there, turns = slice_of("a", 1), OwnersTurns()
    works(there, START)
    there.open_gate(START)
    assert kind(restarts(there, turns, ends=30, begins=89)) is TurnKind.USUAL
    assert kind(restarts(there, turns, ends=30, begins=90)) is TurnKind.FIRST


def test_who_restarts_a_server_after_a_turn_that_was_ended_early_has_the_next_one_whole():
    there, turns = slice_of("a", 1), OwnersTurns()
    works(there, START)
    there.open_gate(START)
    there.begin_suspend(after(40))
    assert kind(restarts(there, turns, ends=45, begins=50)) is TurnKind.WHOLE


def test_who_never_had_a_turn_is_still_a_newcomer_with_the_next_server():
    there, turns = slice_of("a", 1), OwnersTurns()
    works(there, START)
    judge(there, after(1))
    assert kind(restarts(there, turns, ends=30, begins=40)) is TurnKind.FIRST


def test_what_an_owner_had_is_forgotten_once_it_changes_nothing_any_more():
    turns = OwnersTurns()
    had = PastTurns(timedelta(seconds=60), START, START)
    turns.slice_ends("ada", had, after(1))
    earlier = replace(had, lasted=timedelta(seconds=5), worked_until=after(-10))
    turns.slice_ends("ada", earlier, after(2))
    assert turns.of_next("ada").lasted == had.lasted
    turns.slice_ends("ben", PastTurns(had.lasted, after(90000), START), after(90000))
    assert len(turns) == 1


def test_who_rests_for_a_turn_is_a_newcomer_again(owners):
    owners.processes.track(process(1)).note_measured(1)
    works(owners, START)
    owners.open_gate(START)
    owners.lets_through(owners.requests[0])
    ends_its_cell(owners, after(70))
    owners.begin_suspend(after(80))
    for second in range(81, 131):
        judge(owners, after(second))
    works(owners, after(131))
    judge(owners, after(131))
    assert kind(owners) is TurnKind.FIRST


def test_who_falls_idle_with_an_open_gate_had_a_turn_until_work_was_seen_last(owners):
    works(owners, START)
    owners.open_gate(START)
    owners.lets_through(owners.requests[0])
    ends_its_cell(owners, after(10))
    judge(owners, after(400))
    assert not owners.active
    assert owners.past_turns.worked_until == after(10)
    assert owners.past_turns.lasted == timedelta(seconds=400)


def test_giving_up_a_slice_and_taking_it_again_makes_no_newcomer(owners):
    works(owners, START)
    owners.open_gate(START)
    owners.lets_through(owners.requests[0])
    ends_its_cell(owners, after(70))
    owners.activity_record.gives_up(timedelta(seconds=300), after(71))
    judge(owners, after(74))
    assert not owners.active
    works(owners, after(80))
    judge(owners, after(80))
    assert kind(owners) is TurnKind.USUAL


def test_waiting_for_long_makes_no_newcomer_also_where_the_bytes_leave_meanwhile(owners):
    works(owners, START)
    owners.open_gate(START)
    owners.begin_suspend(after(90))
    owners.begin_suspend(after(900))
    assert owners.gate.waiting_since == after(90)
    assert kind(owners) is TurnKind.USUAL


def test_whom_an_agent_before_served_is_no_newcomer(owners):
    owners.note_turns_of_before(START)
    judge(owners)
    owners.open_gate(START)
    assert kind(owners) is TurnKind.WHOLE


def test_a_pause_ends_an_entitled_jobs_turn(job):
    job.open_gate(START)
    job.pause(after(30))
    assert job.past_turns.lasted == timedelta(seconds=30)


def test_a_newcomer_that_fits_is_let_in_at_once(gpu):
    served = slice_of("a", 1)
    works(served, START)
    assert decided(gpu, START, served) == [(OpenGate, "a")]


#  GPU [CCCCcccccccc ....] host [WWWW]   `w` waits for 70 of the 80; `b`, on another card, for 20
def test_who_comes_from_another_card_comes_behind_who_waits_there_newcomer_or_not(gpu):
    there, waits, elsewhere = slice_of("c", 1), slice_of("w", 2), slice_of("b", 3)
    for served in (there, waits):
        served.note_turns_of_before(START)
        works(served, START)
        judge(served, START)
    there.open_gate(START)
    waits.assign(slice_assignment("w", GPU, 70 * GIB, created_at=START), START)
    waits.processes.find(process(2)).goes_away(20 * GIB)
    elsewhere.assign(slice_assignment("b", GPU, 20 * GIB, created_at=START), START)
    elsewhere.processes.find(process(3)).goes_away(20 * GIB)
    works(elsewhere, after(30))
    for served in (there, waits, elsewhere):
        judge(served, after(30))
    assert kind(elsewhere) is TurnKind.FIRST
    node = NodeConditions(after(30), lending=True, margin_mib=0, host_free_mib=200 * GIB)
    view = view_on_another_card(elsewhere, node)
    assert takes_in(assemble(gpu, (there,), node), view, at_work=True)
    assert not takes_in(assemble(gpu, (there, waits), node), view, at_work=True)
