"""Nothing is removed under servers and jobs that run: they are named by their owners."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import psutil
import pytest
from click.testing import CliRunner
from sublet_hub.host.clock import read_boot_id
from sublet_hub.host.process_identity import started_at
from sublet_hub.installation.command_line import Session, uninstall_from
from sublet_hub.installation.layout import LEDGER
from sublet_hub.installation.running import Running, what_runs
from sublet_hub.installation.tree import Tree
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.records import Change, GpuRecord, JobRecord, SliceRecord, StartedProcess
from sublet_lab.command_line import main
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import GpuId, NodeId

from tests.support.installing import Installation, PretendedSystem, chosen
from tests.support.ledger_records import a_job_record, a_slice_record
from tests.support.machine_folders import everything_below, plain_machine

NOW = datetime(2026, 11, 24, tzinfo=UTC)
GPU = GpuRecord(GpuId("SIM-0"), NodeId("here"), 0, "Simulated", 81920, 1024, simulated=True)
UNIT = "etc/systemd/system/sublet-agent.service"


def myself() -> StartedProcess:
    return StartedProcess(read_boot_id(), os.getpid(), started_at(psutil.Process()))


def gone() -> StartedProcess:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        return StartedProcess(read_boot_id(), ended.pid, 1.0)


def server(process: StartedProcess | None, owner: str = "ada", name: str = "") -> SliceRecord:
    root = (
        {} if process is None else {"root_pid": process.pid, "root_start_time": process.start_time}
    )
    return a_slice_record(f"{owner}-{name}", owner, GPU, server=name, created_at=NOW, **root)


def job(process: StartedProcess | None, state: JobState = JobState.RUNNING) -> JobRecord:
    return a_job_record("j1", "cyd", state=state, submitted_at=NOW, process=process)


@pytest.fixture
def ledger(tmp_path: Path) -> Database:
    """The ledger of a machine on which Sublet is installed; no service has it open."""
    Installation(plain_machine(tmp_path)).make(chosen())
    at = Tree(tmp_path).path(LEDGER)
    at.parent.mkdir(parents=True)
    database = Database(f"sqlite:///{at}")
    database.migrate()
    return database


def keep(ledger: Database, *records: SliceRecord | JobRecord) -> None:
    slices = tuple(each for each in records if isinstance(each, SliceRecord))
    jobs = tuple(each for each in records if isinstance(each, JobRecord))
    ledger.write(Change(gpus=(GPU,), slices=slices, jobs=jobs), NOW)


def uninstall(root: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["uninstall", "--root", str(root), "--yes", *options])
    return result.exit_code, result.output


def test_only_what_lives_or_is_about_to_start_counts(tmp_path: Path, ledger: Database) -> None:
    lives, starts = server(myself()), server(None, "ben")
    keep(ledger, lives, starts, server(gone(), "cyd"), job(gone()), job(None, JobState.WAITING))
    assert what_runs(Tree(tmp_path)) == Running((lives, starts))
    runs = job(myself())
    keep(ledger, runs)
    assert what_runs(Tree(tmp_path)).jobs == (runs,)


def test_a_job_of_the_boot_before_does_not_count(tmp_path: Path, ledger: Database) -> None:
    keep(ledger, job(replace(myself(), boot_id="before")))
    assert what_runs(Tree(tmp_path)) == Running()


@pytest.mark.parametrize("in_use", [True, False])
def test_looking_leaves_no_trace(tmp_path: Path, ledger: Database, *, in_use: bool) -> None:
    keep(ledger, server(myself()))
    if not in_use:
        ledger.close()
    folder = Tree(tmp_path).path(LEDGER).parent
    before = [each.name for each in folder.iterdir()]
    assert len(what_runs(Tree(tmp_path)).servers) == 1
    assert [each.name for each in folder.iterdir()] == before
    ledger.close()


def test_servers_are_named_by_owner_and_left_only_when_told(
    tmp_path: Path, ledger: Database
) -> None:
    keep(ledger, server(myself(), "ben"), server(myself(), "ada", "second"))
    code, said = uninstall(tmp_path)
    assert code == 1
    assert "servers with a slice run: ada (second), ben. Stop them" in said
    assert "keep what they have on the GPU" in said
    assert (tmp_path / UNIT).exists()
    assert uninstall(tmp_path, "--leave-servers")[0] == 0


def test_with_simulated_gpus_servers_are_said_to_lose_what_they_hold(
    tmp_path: Path, ledger: Database
) -> None:
    Installation(tmp_path).make(chosen(device="simulated"))
    keep(ledger, server(myself()))
    assert "lose all that they hold on the simulated GPUs" in uninstall(tmp_path)[1]


@pytest.mark.parametrize("options", [(), ("--leave-servers",)])
def test_jobs_must_have_ended_in_any_case(
    tmp_path: Path, ledger: Database, options: tuple[str, ...]
) -> None:
    keep(ledger, job(myself()))
    code, said = uninstall(tmp_path, "--remove-data", *options)
    assert code == 1
    assert "j1 of cyd. Cancel each by `sublet jobs cancel JOB_ID`" in said
    assert f"kill {os.getpid()}" in said
    assert (tmp_path / UNIT).exists()
    keep(ledger, job(None, JobState.CANCELLED))
    assert uninstall(tmp_path)[0] == 0


def test_a_ledger_that_cannot_be_read_keeps_from_it_but_when_told(tmp_path: Path) -> None:
    Installation(plain_machine(tmp_path)).make(chosen())
    at = Tree(tmp_path).path(LEDGER)
    at.parent.mkdir(parents=True)
    at.write_text("no database at all, and longer than its header would be" * 20)
    before = everything_below(tmp_path)
    code, said = uninstall(tmp_path)
    assert code == 1
    assert "cannot be read" in said
    assert everything_below(tmp_path) == before
    assert uninstall(tmp_path, "--leave-servers")[0] == 0


class SystemWithLateJob(PretendedSystem):
    """A machine on which a job starts in the moment before the service is stopped."""

    def __init__(self, root: Path, ledger: Database) -> None:
        super().__init__(root)
        self._ledger = ledger

    def stop(self, unit: str) -> None:
        keep(self._ledger, job(myself()))
        super().stop(unit)


def test_a_job_that_started_meanwhile_is_not_orphaned_and_its_service_goes_on(
    tmp_path: Path, ledger: Database
) -> None:
    system = SystemWithLateJob(tmp_path, ledger)
    system.restart("sublet-hub.service")
    session = Session(Tree(tmp_path), system, yes=True, dry_run=False)
    with pytest.raises(click.ClickException, match="j1 of cyd"):
        uninstall_from(session, remove_data=True, leave_servers=False)
    started, *then = system.done
    assert then == ["stop sublet-hub.service", started]
    assert (tmp_path / UNIT).exists()
