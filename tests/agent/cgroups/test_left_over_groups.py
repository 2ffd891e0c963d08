"""What a killed test run left in control groups is ended by the next run, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sublet_agent.cgroups.maintenance import agents_group_name

from tests.support.control_groups import control_groups, needs_freezer
from tests.support.left_over_groups import end_left_over

NODE = "node-1"


@pytest.fixture
def groups(tmp_path):
    with control_groups(needs_freezer(tmp_path), tmp_path) as made:
        yield made


def list_of(process: str, groups) -> Path:
    lists = groups.folder / "lists"
    lists.mkdir()
    each = lists / process
    each.write_text(agents_group_name(NODE, str(groups.folder)) + "\n")
    return each


def frozen_family(groups):
    ada = groups.family()
    groups.serve(groups.slice("a", ada))
    groups.tree.begin_freezing(groups.book.of("a").place)
    return ada


def own_name() -> str:
    after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return f"{os.getpid()}-{after_name[19]}"


def test_frozen_processes_of_a_killed_run_are_ended_and_their_groups_removed(groups):
    ada = frozen_family(groups)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    each = list_of(f"{ended.pid}-1", groups)
    place = groups.book.of("a").place
    end_left_over(each.parent)
    assert ada.process.wait(60) == -9
    assert not groups.tree.exists(place)
    assert not each.exists()


def test_what_a_run_that_lives_has_is_left_alone(groups):
    ada = frozen_family(groups)
    each = list_of(own_name(), groups)
    end_left_over(each.parent)
    assert ada.process.poll() is None
    assert groups.tree.is_told_to_freeze(groups.book.of("a").place)
    assert each.exists()


def test_a_later_process_with_the_pid_of_a_killed_run_does_not_keep_what_that_left(groups):
    ada = frozen_family(groups)
    each = list_of(f"{os.getpid()}-1", groups)
    end_left_over(each.parent)
    assert ada.process.wait(60) == -9
