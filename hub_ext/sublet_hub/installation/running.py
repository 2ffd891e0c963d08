"""The notebook servers with a slice and the jobs that run now, as the service's ledger tells.

The ledger is read where it lies, so that this is known also while the service does not run. A
server or job counts only while its process lives: without hub or service, the ledger is behind.
"""

from dataclasses import dataclass

from sublet_hub.host.clock import read_boot_id
from sublet_hub.host.process_identity import is_alive
from sublet_hub.installation.changes import Kind
from sublet_hub.installation.layout import LEDGER
from sublet_hub.installation.tree import Tree
from sublet_hub.ledger.database import read_sqlite
from sublet_hub.ledger.records import JobRecord, SliceRecord, StartedProcess


@dataclass(frozen=True, slots=True)
class Running:
    """What would go on without the service and the agent."""

    servers: tuple[SliceRecord, ...] = ()
    jobs: tuple[JobRecord, ...] = ()


def what_runs(tree: Tree) -> Running:
    """Return what runs with a slice. ``LedgerReadError`` where the ledger cannot be read."""
    if tree.find(LEDGER).kind is not Kind.FILE:
        return Running()
    stored, boot_id = read_sqlite(tree.path(LEDGER)), read_boot_id()
    return Running(
        tuple(each for each in stored.slices if not each.is_job and _lives(each, boot_id)),
        tuple(
            job
            for job in stored.live_jobs
            if job.process is not None and is_alive(job.process, boot_id)
        ),
    )


def why_not_under(running: Running, *, simulated: bool, leave_servers: bool) -> list[str]:
    """Return why nothing is removed while these run: servers may be left, jobs may not."""
    reasons = [_of_jobs(running.jobs)] if running.jobs else []
    if running.servers and not leave_servers:
        reasons.append(_of_servers(running.servers, simulated=simulated))
    return reasons


def _of_jobs(jobs: tuple[JobRecord, ...]) -> str:
    named = ", ".join(f"{job.job_id} of {job.owner}" for job in jobs)
    pids = " ".join(str(job.process.pid) for job in jobs if job.process is not None)
    return (
        f"without the service nobody looks after jobs, and these run: {named}. Cancel each by "
        "`sublet jobs cancel JOB_ID`, or wait for its end. Where the service does not run: "
        f"kill {pids}"
    )


def _of_servers(servers: tuple[SliceRecord, ...], *, simulated: bool) -> str:
    named = ", ".join(sorted(map(_name, servers)))
    becomes = (
        "lose all that they hold on the simulated GPUs, whose daemon ends too"
        if simulated
        else "keep what they have on the GPU, and nobody suspends them or brings them back"
    )
    return (
        f"notebook servers with a slice run: {named}. Stop them in the hub's admin page; or leave "
        f"them, and they {becomes}: --leave-servers"
    )


def _name(record: SliceRecord) -> str:
    return f"{record.owner} ({record.server})" if record.server else record.owner


def _lives(record: SliceRecord, boot_id: str) -> bool:
    """Whether a server runs, or is about to start."""
    if record.root_pid is None or record.root_start_time is None:
        return True
    return is_alive(StartedProcess(boot_id, record.root_pid, record.root_start_time), boot_id)
