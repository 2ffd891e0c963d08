"""Turns of computing: one slice runs and the others are paused, and in the end nobody is."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from threading import Event, Thread

import pytest
from sublet_agent.app.watchdog import let_owners_run
from sublet_agent.devices.interface import (
    DeviceError,
    NotSupportedError,
    PauseTimeoutError,
    StandsStillError,
)
from sublet_agent.moves.compute_turns import AT_THE_LATEST_S, LEASE, ComputeTurns, TakenTurns
from sublet_agent.moves.pausing import PauseReason
from sublet_agent.moves.recovery import recover
from sublet_agent.state_files.journal import Step, read_journal
from sublet_quota.compute.card_use import NotPausable
from sublet_quota.compute.turns import Place, Round
from sublet_quota.residency.snapshot import Holder

from tests.support.agent_cases import GPU
from tests.support.fake_service_link import slice_assignment

A_TURN = timedelta(milliseconds=4)


def until(holds: Callable[[], bool], within_s: float = 60) -> None:
    """Wait for what the turns' thread does."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def turns(bench):
    made = ComputeTurns(bench.paused_processes, GPU, bench.clock.monotonic)
    yield made
    made.stop()


def taken_by(*targets) -> TakenTurns:
    places = tuple(Place(target.slice_id, A_TURN) for target in targets)
    return TakenTurns(Round(places), {target.slice_id: (target,) for target in targets})


def test_everybody_runs_and_is_paused_again_and_again_and_nobody_is_in_the_end(bench, turns):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    turns.take(taken_by(one, two))
    until(lambda: min(bench.device.calls.count(("unpause", pid)) for pid in (1, 2)) >= 3)
    turns.stop()
    assert bench.states() == {1: "running", 2: "running"}
    assert turns.who == frozenset()
    assert bench.paused_processes.held_for(PauseReason.TURN) == ()


def test_the_next_one_runs_before_the_last_one_is_paused(bench, turns):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    turns.take(taken_by(one, two))
    until(lambda: len(bench.device.calls) > 20)
    turns.stop()
    paused = set()
    for name, pid in bench.device.calls:
        paused = paused | {pid} if name == "pause" else paused - {pid}
        assert len(paused) < 2


def test_who_has_an_open_turn_runs_beside_another_that_nobody_pauses(bench, turns):
    one, beside = bench.process("a", 1, 10), bench.process("b", 2, 10)
    taken = Round((Place(one.slice_id, 2 * A_TURN),), opened=(Place(beside.slice_id, A_TURN),))
    turns.take(TakenTurns(taken, {target.slice_id: (target,) for target in (one, beside)}))
    until(lambda: bench.device.calls.count(("unpause", 2)) > 5)
    turns.stop()
    assert {pid for _, pid in bench.device.calls} == {2}
    assert bench.states() == {1: "running", 2: "running"}


def test_an_open_turn_counts_for_who_runs_beside_and_for_who_has_the_turn(bench, turns):
    one, beside = bench.process("a", 1, 10), bench.process("b", 2, 10)
    bench.device.before["pause", 2] = lambda: bench.clock.passes(0.02)
    taken = Round((Place(one.slice_id, 2 * A_TURN),), opened=(Place(beside.slice_id, A_TURN),))
    turns.take(TakenTurns(taken, {target.slice_id: (target,) for target in (one, beside)}))
    until(lambda: bench.device.calls.count(("unpause", 2)) > 2)
    turns.stop()
    assert turns.times.had_s(0.0, 1.0).keys() == {"a", "b"}


def test_all_run_for_a_moment_where_others_take_turns_so_that_nobody_waits_for_two_periods(
    bench, turns
):
    one, two, three = (bench.process(name, pid, 10) for pid, name in enumerate("abc", 1))
    turns.take(taken_by(one, two))
    until(lambda: len(bench.device.calls) > 10)
    seen = len(bench.device.calls)
    turns.take(taken_by(three, two, one))
    until(lambda: ("pause", 3) in bench.device.calls)
    turns.stop()
    paused = {pid for pid in (1, 2) if _is_paused_after(bench.device.calls[:seen], pid)}
    at_once = []
    for name, pid in bench.device.calls[seen : bench.device.calls.index(("pause", 3))]:
        paused = paused | {pid} if name == "pause" else paused - {pid}
        at_once.append(len(paused))
    # Then each has its turn, and the last one is paused after the next one runs.
    assert at_once[-4:] == [0, 1, 2, 1]


def _is_paused_after(calls, pid):
    return [name for name, of in calls if of == pid][-1:] == ["pause"]


def test_the_journal_does_not_grow_with_each_turn_and_says_who_may_stand_still(bench, turns):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    journal = bench.folder / "journal.jsonl"
    turns.take(taken_by(one, two))
    until(lambda: len(bench.device.calls) > 40)
    assert len(journal.read_text().splitlines()) == 2
    written = {entry.target.identity.pid: entry.step for entry in read_journal(journal)}
    assert written == dict.fromkeys((1, 2), Step.PAUSING_FOR_A_TURN)
    # Another reason is written, and the next turn after it again.
    bench.paused_processes.pause([one], PauseReason.MOVE, 1000)
    assert bench.journal.last_step(one.identity) is Step.PAUSING
    bench.paused_processes.release([one], PauseReason.MOVE)
    until(lambda: bench.journal.last_step(one.identity) is Step.PAUSING_FOR_A_TURN)


def test_who_does_not_take_turns_is_never_paused(bench, turns):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    bench.process("c", 3, 10)
    turns.take(taken_by(one, two))
    until(lambda: len(bench.device.calls) > 10)
    assert not [pid for _, pid in bench.device.calls if pid == 3]


def test_all_run_where_nobody_decides_any_more_that_turns_go_on(bench, turns):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    turns.take(taken_by(one, two))
    until(lambda: len(bench.device.calls) > 4)
    bench.clock.passes((2 * LEASE).total_seconds())
    until(lambda: turns.who == frozenset() and "paused" not in bench.states().values())
    assert turns.have_lapsed


def test_turns_that_failed_are_not_taken_for_stopped_ones_until_the_next_are(bench):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    clock_fails = Event()

    def monotonic():
        if clock_fails.is_set():
            clock_fails.clear()
            raise OSError
        return bench.clock.monotonic()

    turns = ComputeTurns(bench.paused_processes, GPU, monotonic)
    turns.take(taken_by(one, two))
    until(lambda: len(bench.device.calls) > 4)
    clock_fails.set()
    until(lambda: turns.are_over)
    assert (turns.who, turns.have_lapsed) == (frozenset(), True)
    assert set(bench.states().values()) == {"running"}
    turns.take(taken_by(one, two))
    assert not turns.have_lapsed
    turns.stop()
    assert not turns.have_lapsed


def test_who_leaves_the_turns_runs_on(bench, turns):
    one, two, three = (bench.process(name, pid, 10) for pid, name in enumerate("abc", 1))
    turns.take(taken_by(one, two, three))
    until(lambda: len(bench.device.calls) > 10)
    turns.take(taken_by(one, two))
    until(lambda: not bench.paused_processes.of(three.identity))
    seen = bench.device.calls.count(("pause", 3))
    until(lambda: bench.device.calls.count(("pause", 1)) > 20)
    assert bench.device.calls.count(("pause", 3)) <= seen + 1


def test_who_holds_more_than_before_stays_paused_until_its_own_turn(bench, turns):
    three = [bench.process(name, pid, 10) for pid, name in enumerate("abc", 1)]
    turns.take(taken_by(*three))
    until(lambda: bench.device.calls.count(("unpause", 3)) > 1)
    turns.take(taken_by(*(replace(target, image_mib=20) for target in three)))
    seen = len(bench.device.calls)
    until(lambda: len(bench.device.calls) > seen + 40)
    ran = [pid for name, pid in tuple(bench.device.calls) if name == "unpause"]
    assert all(then == now % 3 + 1 for now, then in pairwise(ran))


def test_nobody_stands_still_while_the_driver_does_not_come_back_for_another(bench, turns):
    one, two, three = (bench.process(name, pid, 10) for pid, name in enumerate("abc", 1))
    asked, comes_back = Event(), Event()
    bench.device.before["pause", 1] = lambda: asked.set() or comes_back.wait()
    try:
        turns.take(taken_by(one, two, three))
        assert asked.wait(60)
        # The second one's turn: the third waits for its own.
        assert not turns.are_stuck
        bench.clock.passes(1.1)
        assert turns.are_stuck
        ends = Thread(target=turns.stop, args=(60,))
        ends.start()
        until(lambda: bench.states()[3] == "running", 10)
    finally:
        comes_back.set()
    ends.join(60)
    until(lambda: not turns.are_stuck and set(bench.states().values()) == {"running"})
    until(lambda: turns.take(taken_by(one, two, three)) or turns.who)
    until(lambda: bench.device.calls.count(("unpause", 3)) > 2)


def test_an_agents_end_waits_for_whom_the_driver_pauses_yet(bench, turns):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    asked, comes_back = Event(), Event()
    bench.device.before["pause", 2] = lambda: asked.set() or comes_back.wait()
    turns.take(taken_by(one, two))
    assert asked.wait(60)
    turns.stop(0.01)
    ends = Thread(target=turns.stop, args=(AT_THE_LATEST_S,))
    ends.start()
    comes_back.set()
    ends.join(60)
    assert [name for name, pid in bench.device.calls if pid == 2] == ["pause", "unpause"]
    assert bench.states() == {1: "running", 2: "running"}


def test_what_else_keeps_a_process_paused_outlasts_the_turns(bench, turns):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    turns.take(taken_by(one, two))
    until(lambda: len(bench.device.calls) > 4)
    bench.paused_processes.pause([one], PauseReason.MOVE, 1000)
    turns.stop()
    assert bench.states() == {1: "paused", 2: "running"}
    assert bench.paused_processes.of(one.identity) == {PauseReason.MOVE}


@pytest.mark.parametrize(
    ("errors", "why"),
    [
        ([NotSupportedError("MPS")], NotPausable.CANNOT_BE_PAUSED),
        ([DeviceError("no")] * 3, NotPausable.CANNOT_BE_PAUSED),
        ([PauseTimeoutError("long")] * 3, NotPausable.LONG_KERNELS),
    ],
    ids=["never", "thrice", "too-late-thrice"],
)
def test_who_cannot_be_paused_is_let_alone_for_a_while(bench, turns, errors, why):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    bench.device.fail("pause", 1, *errors)
    turns.take(taken_by(one, two))
    until(lambda: turns.why_not_paused(one.slice_id) is why)
    until(lambda: bench.device.calls.count(("unpause", 2)) > 2)
    assert bench.device.calls.count(("pause", 1)) == len(errors)
    assert turns.why_not_paused(two.slice_id) is None
    bench.clock.passes(61)
    assert turns.why_not_paused(one.slice_id) is None


def test_who_comes_to_rest_slowly_does_so_before_the_next_one_runs(bench, turns):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)

    def a_kernel_ends():
        bench.clock.passes(0.02)
        bench.device.before["pause", 1] = a_kernel_ends

    bench.device.before["pause", 1] = a_kernel_ends
    turns.take(taken_by(one, two))
    until(lambda: bench.device.calls.count(("pause", 1)) > 3)
    turns.stop()
    # The first time nobody knew that yet.
    calls = bench.device.calls[bench.device.calls.index(("unpause", 1)) :]
    before = [calls[i - 1] for i, call in enumerate(calls) if call == ("unpause", 2)]
    assert before[:-1] == [("pause", 1)] * len(before[:-1])
    # What it ran on for was its own turn.
    assert turns.times.had_s(0.0, bench.clock.monotonic())[one.slice_id] > 0


@pytest.mark.parametrize("holder", Holder)
def test_whoever_was_paused_for_a_turn_when_the_agent_died_is_let_run(bench, holder):
    one = bench.process("a", 1, 10, holder)
    bench.paused_processes.pause([one], PauseReason.TURN, 1000)
    assert bench.states() == {1: "paused"}
    freed = let_owners_run(bench.folder / "journal.jsonl", bench.device, bench.table)
    assert freed == [1]
    assert bench.states() == {1: "running"}


def test_a_job_that_was_paused_for_owners_beside_its_turn_stays_so_when_the_agent_dies(bench):
    job = bench.process("j", 1, 10, Holder.JOB)
    bench.paused_processes.pause([job], PauseReason.TURN, 1000)
    bench.paused_processes.pause([job], PauseReason.POLICY, 1000)
    assert let_owners_run(bench.folder / "journal.jsonl", bench.device, bench.table) == []
    assert bench.states() == {1: "paused"}


@pytest.mark.parametrize("step", [Step.PAUSING_FOR_A_TURN, Step.UNPAUSING])
def test_a_new_agent_lets_a_job_run_that_was_paused_for_a_turn(bench, step):
    job = bench.process("j", 1, 10, Holder.JOB)
    bench.device.pause(1, 1000)
    bench.journal.write(step, [job])
    served = slice_assignment("j", GPU, 100, uid=1000, holder=Holder.JOB)
    recover(bench.tools, bench.attribution, [served])
    assert bench.states() == {1: "running"}
    assert read_journal(bench.folder / "journal.jsonl") == ()


def test_only_the_time_counts_in_which_all_others_stood_still(bench, turns):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    for pid in (1, 2):
        # A first switch takes 20 ms, and a turn, which waits for real, nothing by this clock.
        bench.device.before["pause", pid] = lambda: bench.clock.passes(0.02)
    turns.take(taken_by(one, two))
    until(lambda: bench.device.calls.count(("pause", 2)) > 4)
    turns.stop()
    assert bench.clock.monotonic() == pytest.approx(0.04)
    assert set(turns.times.had_s(0.0, bench.clock.monotonic()).values()) == {0.0}


def test_a_turn_beside_one_that_cannot_be_paused_is_no_turn(bench, turns):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    bench.device.fail("pause", 2, NotSupportedError("MPS"))
    # Each of the first one's turns begins with a pause of the second, which does not work.
    bench.device.before["unpause", 1] = lambda: bench.clock.passes(0.02)
    turns.take(taken_by(one, two))
    until(lambda: bench.device.calls.count(("unpause", 1)) > 2)
    turns.stop()
    assert one.slice_id not in turns.times.had_s(0.0, bench.clock.monotonic())


def test_who_is_stopped_for_a_moment_takes_its_turns_again_as_soon_as_it_goes_on(bench, turns):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    bench.device.fail("pause", 2, *[StandsStillError("is stopped")] * 5)
    turns.take(taken_by(one, two))
    until(lambda: bench.device.calls.count(("unpause", 2)) >= 3)
    assert turns.why_not_paused(two.slice_id) is None


def test_beside_one_that_is_stopped_a_turn_counts(bench, turns):
    one, two = bench.process("a", 1, 10), bench.process("b", 2, 10)
    bench.device.fail("pause", 2, *[StandsStillError("is stopped")] * 1000)
    bench.device.before["unpause", 1] = lambda: bench.clock.passes(0.02)
    turns.take(taken_by(one, two))
    until(lambda: bench.device.calls.count(("unpause", 1)) > 2)
    turns.stop()
    assert one.slice_id in turns.times.had_s(0.0, bench.clock.monotonic())


def test_who_is_paused_for_a_turn_is_so_for_a_while_only_and_for_good_for_anything_else(bench):
    job = bench.process("j", 1, 10, Holder.JOB)
    bench.paused_processes.pause([job], PauseReason.TURN, 1000)
    assert bench.device.leased == {1}
    bench.paused_processes.pause([job], PauseReason.POLICY, 1000)
    assert bench.device.leased == set()
    bench.paused_processes.release([job], PauseReason.TURN)
    assert bench.states() == {1: "paused"}
    bench.paused_processes.pause([job], PauseReason.TURN, 1000)
    assert bench.device.leased == set()


def test_who_was_let_run_as_nobody_was_left_is_paused_when_that_is_asked_for_again(bench):
    one = bench.process("a", 1, 10)
    bench.paused_processes.pause([one], PauseReason.TURN, 1000)
    # The lease is over, whatever this agent believes.
    bench.device.unpause(1)
    bench.paused_processes.pause([one], PauseReason.MOVE, 1000)
    assert bench.states() == {1: "paused"}
    assert bench.paused_processes.of(one.identity) == {PauseReason.TURN, PauseReason.MOVE}
