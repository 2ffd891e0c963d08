"""Random walks with a real agent that is killed at every kind of moment."""

import os

import pytest

from tests.support.fault_walk import walk_on
from tests.support.nvidia_stand_in.behaviours import CallerDies
from tests.support.nvidia_stand_in.cards import nvidia_gpus
from tests.support.sharing_walk import SharingWalk
from tests.support.simulated_gpus import simulated_gpus
from tests.support.walked_node import ViolationError

# How long all walks together may walk. Give an hour to look for what is rare.
WALK_S = float(os.environ.get("SUBLET_FAULT_WALK_S", "32"))
# One seed by default, so that a failure points at a change; walk others by the variable.
SEED = int(os.environ.get("SUBLET_FAULT_WALK_SEED", "20261124"))
DAEMON = ("--speed", "300", "--scale", "16384")


def walk(tmp_path, for_s, seed, *options, greedy=False, nvidia=False):
    if not nvidia:
        with simulated_gpus(*DAEMON, instant=False) as gpus:
            return walk_on(gpus, tmp_path, for_s, seed, *options, greedy=greedy)
    with nvidia_gpus(speed=300) as gpus:
        # The worst that is thought of a driver whose caller is killed: the helper is not.
        gpus.stand_in.when_the_caller_dies(CallerDies.LEFT_HALF_WAY)
        return walk_on(gpus, tmp_path, for_s, seed, *options, greedy=greedy)


def test_no_notebook_is_lost_or_left_locked_whenever_the_agent_is_killed(tmp_path, capsys):
    with capsys.disabled():
        print(f"\nfault walk: {WALK_S / 2:g} s, seed {SEED}: ", end="")
        story = walk(tmp_path, WALK_S / 2, SEED)
    # How many are done between the looks is up to the machine; each look runs some to their end.
    assert story.counts["cells done"] > story.steps / 40


def test_no_notebook_is_lost_where_memory_is_taken_outside_of_cells(tmp_path, capsys):
    with capsys.disabled():
        print(f"\ngreedy fault walk: {WALK_S / 4:g} s, seed {SEED}: ", end="")
        walk(tmp_path, WALK_S / 4, SEED, greedy=True)


def test_no_notebook_is_lost_on_nvidias_cards_whenever_the_agent_is_killed(tmp_path, capsys):
    with capsys.disabled():
        print(f"\nfault walk over NVIDIA's packages: {WALK_S / 4:g} s, seed {SEED}: ", end="")
        walk(tmp_path, WALK_S / 4, SEED, nvidia=True)


def test_nobody_is_left_paused_for_a_turn_whenever_the_agent_is_killed(tmp_path, capsys):
    with capsys.disabled(), simulated_gpus(*DAEMON, instant=False) as gpus:
        print(f"\nsharing fault walk: {WALK_S / 4:g} s, seed {SEED}: ", end="")
        story = walk_on(gpus, tmp_path, WALK_S / 4, SEED, kind=SharingWalk)
    assert story.counts["turns were taken"]


@pytest.mark.skipif(
    not os.environ.get("SUBLET_FAULT_WALK_PROVES_ITSELF"),
    reason="takes minutes: set SUBLET_FAULT_WALK_PROVES_ITSELF",
)
def test_the_walk_finds_what_is_lost_without_the_check_for_room(tmp_path):
    with pytest.raises(ViolationError, match=r"(?i)lost"):
        walk(tmp_path, 300, SEED, "--unsafe-skip-room-check", greedy=True)
