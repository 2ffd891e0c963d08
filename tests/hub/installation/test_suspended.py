"""Nothing is removed while a notebook is suspended: without the agent it would never come back."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sublet_agent.app.node_agent import JOURNAL_NAME
from sublet_agent.processes.process_table import LinuxProcessTable, ProcessIdentity
from sublet_agent.state_files.journal import Journal, Step, Target
from sublet_hub.installation.layout import AGENT_JOURNAL
from sublet_hub.installation.suspended import suspended_slices
from sublet_hub.installation.tree import Tree
from sublet_lab.command_line import main
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.snapshot import Holder

from tests.support.installing import Installation, chosen
from tests.support.leaderless import leaderless
from tests.support.machine_folders import plain_machine


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    at = Tree(plain_machine(tmp_path)).path(AGENT_JOURNAL)
    assert at.name == JOURNAL_NAME
    at.parent.mkdir(parents=True)
    made = Journal(at)
    yield made
    made.close()


def myself() -> ProcessIdentity:
    identity = LinuxProcessTable().identify(os.getpid())
    assert identity is not None
    return identity


def target(identity: ProcessIdentity | None = None, name: str = "ada-1") -> Target:
    return Target(identity or myself(), GpuId("GPU-1"), SliceId(name), Holder.NOTEBOOK, image_mib=5)


@pytest.mark.parametrize("step", Step)
def test_the_steps_between_the_beginning_of_a_suspend_and_the_end_of_a_resume_count(
    tmp_path: Path, journal: Journal, step: Step
) -> None:
    journal.write(Step.SUSPENDING, [target()])
    journal.write(step, [target()])
    away = step in {Step.SUSPENDING, Step.SUSPENDED, Step.RESUMING}
    assert suspended_slices(Tree(tmp_path)) == (["ada-1"] if away else [])


def test_processes_that_are_gone_or_of_another_boot_do_not_count(
    tmp_path: Path, journal: Journal
) -> None:
    me = myself()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        gone = ProcessIdentity(me.boot_id, ended.pid, 1)
    others = [gone, ProcessIdentity("before", me.pid, me.start_ticks)]
    others.append(ProcessIdentity(me.boot_id, me.pid, me.start_ticks + 1))
    journal.write(Step.SUSPENDED, map(target, others))
    assert suspended_slices(Tree(tmp_path)) == []


def test_one_whose_main_thread_has_ended_counts(tmp_path: Path, journal: Journal) -> None:
    with leaderless() as pid:
        identity = LinuxProcessTable().identify(pid)
        journal.write(Step.SUSPENDED, [target(identity)])
        assert suspended_slices(Tree(tmp_path)) == ["ada-1"]


def test_lines_that_cannot_be_read_are_passed_over(tmp_path: Path, journal: Journal) -> None:
    at = Tree(tmp_path).path(AGENT_JOURNAL)
    boot = json.dumps({"boot": myself().boot_id, "pid": "?", "start": 1})
    at.write_text(f'{{"step":"susp\n[]\n\xff\n{boot}\n')
    journal.write(Step.SUSPENDED, [target()])
    assert suspended_slices(Tree(tmp_path)) == ["ada-1"]


def test_without_a_journal_nothing_is_suspended(tmp_path: Path) -> None:
    assert suspended_slices(Tree(tmp_path)) == []


@pytest.mark.parametrize("how", [["--yes"], ["--dry-run"]])
def test_uninstall_names_who_is_suspended_and_removes_nothing_but_when_told(
    tmp_path: Path, journal: Journal, how: list[str]
) -> None:
    Installation(tmp_path).make(chosen())
    journal.write(Step.SUSPENDED, [target(name="ada-1"), target(ProcessIdentity("b", 1, 1))])
    command = ["uninstall", "--root", str(tmp_path), *how]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 1
    assert "ada-1. Run `sublet lending off`" in refused.output
    assert (tmp_path / "etc/systemd/system/sublet-agent.service").exists()
    journal.write(Step.RESUMED, [target(name="ada-1")])
    assert CliRunner().invoke(main, command).exit_code == 0
