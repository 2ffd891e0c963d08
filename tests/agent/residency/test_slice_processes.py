"""A slice's process is on the card, away or lost; what is measured of it is told as news once."""

from datetime import timedelta

import pytest
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.residency.slice_processes import SliceProcesses, TrackedProcess
from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable

from tests.support.agent_cases import START
from tests.support.fake_device import BOOT

PASSING = START + timedelta(seconds=60)
IPC = Unsuspendable(Obstacle.CUDA_IPC, "it shares memory")
MPS = Unsuspendable(Obstacle.MPS, "it is an MPS client")
BUSY = Unsuspendable(Obstacle.FAILED_BEFORE, "it was busy")


def identity(pid):
    return ProcessIdentity(BOOT, pid, 1)


@pytest.fixture
def process():
    return TrackedProcess(identity(1))


PUBLIC = [name for name in dir(TrackedProcess) if not name.startswith("_")]


@pytest.mark.parametrize("name", [*PUBLIC, "anything_else"])
def test_nothing_of_a_process_can_be_assigned_from_elsewhere(process, name):
    with pytest.raises(AttributeError):
        setattr(process, name, None)


def test_gpu_time_that_no_device_counts_is_the_told_share_of_the_time_between_two_looks(process):
    looks = [(0.0, 80), (0.15, 80), (0.3, 5), (0.45, 5), (0.6, 0)]
    counted = [process.count_utilisation(share, START + timedelta(seconds=s)) for s, share in looks]
    assert counted == [0, 120, 7, 8, 0]


@pytest.mark.parametrize(("passed_s", "counted_ms"), [(60, 500), (-60, 0)])
def test_a_told_share_speaks_of_the_last_second_alone(process, passed_s, counted_ms):
    process.count_utilisation(50, START)
    assert process.count_utilisation(50, START + timedelta(seconds=passed_s)) == counted_ms


def test_what_goes_away_holds_nothing_on_the_card_and_as_much_when_it_is_back(process):
    process.note_measured(300, 50)
    process.goes_away(300)
    assert (process.suspended, process.memory_mib, process.image_mib) == (True, 0, 300)
    process.comes_back()
    assert (process.suspended, process.memory_mib, process.image_mib) == (False, 300, None)


def test_what_may_still_be_on_the_card_counts_there(process):
    process.goes_away(300, 300)
    assert (process.image_mib, process.memory_mib) == (300, 300)


def test_what_was_never_away_holds_what_it_held_when_it_comes_back(process):
    process.note_measured(200)
    process.comes_back()
    assert process.memory_mib == 200


def test_refusals_are_counted_until_it_is_back(process):
    process.goes_away(300)
    assert [process.count_refusal(), process.count_refusal()] == [1, 2]
    process.comes_back()
    process.goes_away(300)
    assert process.count_refusal() == 1


def test_what_is_lost_says_why(process):
    assert process.lost is None
    process.loses("the driver says so")
    assert process.lost == "the driver says so"


def test_use_of_the_gpu_is_what_is_new_since_the_last_time():
    process = TrackedProcess(identity(1), busy_ms=100)
    assert [process.count_use(ms) for ms in (130, 130, 150)] == [30, 0, 20]


def test_all_use_of_a_process_of_which_none_was_known_is_new(process):
    assert process.count_use(40) == 40


def test_the_share_of_a_cpu_is_told_once_a_second(process):
    told = [process.cpu_share(*seen) for seen in ((5.0, 0.0), (5.4, 0.9), (6.0, 2.0), (6.2, 2.5))]
    assert told == [None, None, 0.5, None]


@pytest.mark.parametrize("moves", [lambda p: p.goes_away(1), lambda p: p.comes_back()])
def test_what_the_driver_computes_while_bytes_move_is_no_work_of_the_process(process, moves):
    process.goes_away(1)
    process.cpu_share(5.0, 0.0)
    moves(process)
    assert process.cpu_share(9.0, 2.0) is None
    assert process.cpu_share(9.5, 3.0) == 0.5


def test_an_obstacle_is_news_once(process):
    assert process.note_look(IPC, START)
    assert not process.note_look(IPC, START)
    assert process.note_look(MPS, START)
    assert process.unsuspendable == MPS


def test_an_obstacle_that_is_not_seen_any_more_stays(process):
    process.note_look(IPC, START)
    assert not process.note_look(None, PASSING)
    assert process.unsuspendable == IPC


@pytest.mark.parametrize(
    "obstacle", [Obstacle.SEVERAL_GPUS, Obstacle.MEMORY_UNKNOWN, Obstacle.UNREADABLE]
)
def test_an_obstacle_that_comes_and_goes_is_over_when_it_is_not_seen_any_more(process, obstacle):
    process.note_look(Unsuspendable(obstacle, "seen"), START)
    assert process.note_look(None, START)
    assert process.unsuspendable is None


@pytest.mark.parametrize("obstacle", [Obstacle.SEVERAL_GPUS, Obstacle.UNREADABLE])
def test_an_obstacle_that_comes_and_goes_takes_no_lasting_ones_place(process, obstacle):
    process.note_look(IPC, START)
    assert not process.note_look(Unsuspendable(obstacle, "seen"), START)
    assert not process.note_look(None, PASSING)
    assert process.unsuspendable == IPC


def test_an_obstacle_that_comes_and_goes_is_told_where_a_reasons_time_has_passed(process):
    unreadable = Unsuspendable(Obstacle.UNREADABLE, "seen")
    process.mark_unsuspendable(BUSY, until=PASSING)
    assert not process.note_look(unreadable, START)
    assert process.note_look(unreadable, PASSING)
    assert process.unsuspendable == unreadable


def test_a_reason_that_may_pass_holds_until_its_time_and_its_end_is_news(process):
    process.mark_unsuspendable(BUSY, until=PASSING)
    assert not process.note_look(None, START)
    assert process.unsuspendable == BUSY
    assert process.note_look(None, PASSING)
    assert process.unsuspendable is None


def test_when_it_was_looked_at_is_known(process):
    process.note_look(None, START)
    assert process.looked_at == START


@pytest.fixture
def processes():
    return SliceProcesses()


def test_a_process_with_the_pid_of_an_earlier_one_takes_its_place(processes):
    earlier, later = ProcessIdentity(BOOT, 1, 1), ProcessIdentity(BOOT, 1, 2)
    processes.track(earlier)
    tracked = processes.track(later, busy_ms=5)
    assert processes.find(earlier) is None
    assert processes.find(later) is tracked
    assert list(processes) == [tracked]
    assert tracked.count_use(12) == 7


def test_only_the_process_that_is_meant_is_forgotten(processes):
    processes.track(ProcessIdentity(BOOT, 1, 2))
    processes.forget(ProcessIdentity(BOOT, 1, 1))
    processes.forget(identity(7))
    assert len(processes) == 1
    processes.forget(ProcessIdentity(BOOT, 1, 2))
    assert not processes


def test_processes_may_be_forgotten_while_one_goes_through_them(processes):
    for pid in range(5):
        processes.track(identity(pid))
    for process in processes:
        processes.forget(process.identity)
    assert not processes


def test_what_is_lost_is_neither_on_the_gpu_nor_away_and_counts_nowhere(processes):
    here, away, lost = (processes.track(identity(pid)) for pid in (1, 2, 3))
    here.note_measured(200)
    away.goes_away(300)
    lost.goes_away(400, 400)
    lost.loses("the driver says so")
    assert (processes.on_gpu(), processes.away()) == ([here], [away])
    assert (processes.held_mib(), processes.image_mib()) == (200, 300)
