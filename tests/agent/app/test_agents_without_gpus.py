"""Where no GPU is to be had: what an agent that was killed left frozen is thawed all the same."""

import subprocess
import sys

import pytest
from sublet_agent.app.node_agent import JOURNAL_NAME
from sublet_agent.app.watchdog import SETTINGS_EXIT
from sublet_agent.cgroups.groups_file import GroupsFile, SliceGroup
from sublet_agent.cgroups.node_groups import GROUPS_NAME
from sublet_agent.cgroups.trees import FreezerTree
from sublet_agent.state_files.one_agent import become_the_only_agent

NO_GPUS_EXIT = 1


@pytest.fixture
def switch(tmp_path):
    """The file by which the kernel would freeze a slice: somebody has."""
    place = tmp_path / "tree" / "slice-b"
    place.mkdir(parents=True)
    (tmp_path / "state").mkdir()
    group = SliceGroup("b", "GPU-1", FreezerTree(2, tmp_path / "tree"), "/slice-b")
    GroupsFile(tmp_path / "state" / GROUPS_NAME).keep([group])
    (place / "cgroup.freeze").write_text("1")
    return place / "cgroup.freeze"


def status_of(module, folder):
    options = [
        f"--state-folder={folder / 'state'}",
        f"--tenant-socket={folder / 'agent.sock'}",
        "--device=simulated",
        f"--simulated-socket={folder / 'nobody.sock'}",
    ]
    command = [sys.executable, "-m", module, *options]
    return subprocess.run(command, check=False, capture_output=True).returncode


@pytest.mark.parametrize(
    ("module", "status"),
    [
        ("sublet_agent.app.serving", NO_GPUS_EXIT),
        ("sublet_agent.app.application", SETTINGS_EXIT),
    ],
)
def test_the_next_one_thaws_without_a_gpu(tmp_path, switch, module, status):
    assert status_of(module, tmp_path) == status
    assert switch.read_text() == "0"
    assert not (tmp_path / "state" / JOURNAL_NAME).exists()


def test_who_cannot_begin_thaws_nobody_whom_another_agent_has_frozen(tmp_path, switch):
    become_the_only_agent(tmp_path / "state", 0.0)
    assert status_of("sublet_agent.app.application", tmp_path) == SETTINGS_EXIT
    assert switch.read_text() == "1"
