"""Processes of jobs on this machine: started, recognised, awaited, ended.

A job's processes are the descendants of its first one, and whoever carries its ``SUBLET_JOB_ID``
under the same account: kernels start sessions of their own, and outlive their parents. A forged
id reaches only processes of who forged it. Who keeps its environment from being read has none, as
who has emptied it: the slice's control group tells of both. No job's end waits for another's: the
looks have threads of their own, and a time.
"""

import asyncio
import contextlib
import fcntl
import functools
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from sublet_procfs.tenant_memory import TenantMemory, tenant_memory
from sublet_quota.names.control_groups import is_in_group_of
from sublet_quota.names.ids import JobId, SliceId
from sublet_quota.wire.api import AccountTemplate

from sublet_hub.errors import AccountError
from sublet_hub.host.accounts import run_as
from sublet_hub.host.own_shared_memory import in_own_shared_memory
from sublet_hub.host.process_identity import is_alive, started_at
from sublet_hub.ledger.records import StartedProcess

_LOG = logging.getLogger(__name__)
_PIPE_BYTES = 1024 * 1024
_LOOK_EVERY_S = 0.1
_KILL_ROUNDS = 50
_RUNNER_PART = 0.7
_LOOKS: Final = ThreadPoolExecutor(16, "looks-for-jobs")
"""The threads that look for jobs' processes, and do nothing else."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What a process is started with."""

    account: AccountTemplate
    environment: Mapping[str, str]
    log: int
    """Descriptors: its stdout and stderr, and where it tells its progress."""
    progress: int


class Child(subprocess.Popen[bytes]):
    """A process of ours that outlives the service when that stops."""

    def __del__(self) -> None:
        """Leave it running, without the warning that it still does."""


@dataclass(slots=True)
class HeldProcess:
    """A process that waits for its request: it does nothing, and ends if none comes."""

    identity: StartedProcess
    child: Child
    request_pipe: int

    def let_go(self, request: bytes) -> None:
        """Hand over the request: now the job begins, unless its process has ended already."""
        try:
            os.write(self.request_pipe, request)
        except OSError as error:
            _LOG.warning("process %d took no request: %s", self.child.pid, error)
            self.child.kill()
        finally:
            os.close(self.request_pipe)

    def give_up(self) -> None:
        """End the process before the job has begun."""
        os.close(self.request_pipe)
        self.child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(_LOOK_EVERY_S)


def start_held(launch: Launch, boot_id: str) -> HeldProcess:
    """Start a runner that waits for its request, and return it. ``AccountError``: it cannot be.

    Between this and ``let_go`` the caller writes down who the process is: should the service
    die in between, the runner sees its pipe end without a request, and ends too.

    It starts in ``/``: the folder is entered before the process becomes its owner's, and a
    tenant's link would be followed with this service's rights into a folder that is not theirs.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    os.set_blocking(writing, False)
    command = [
        launch.account.python,
        "-P",
        "-m",
        "sublet_lab.runner",
        "run",
        "--request-fd",
        str(reading),
        "--progress-fd",
        str(launch.progress),
    ]
    start = functools.partial(
        Child,
        command,
        stdin=subprocess.DEVNULL,
        stdout=launch.log,
        stderr=subprocess.STDOUT,
        env=dict(launch.environment),
        cwd="/",
        start_new_session=True,
        pass_fds=(reading, launch.progress),
    )
    try:
        account = run_as(launch.account)
        # Under the service's own account nobody is walled off.
        apart = "user" in account
        child = in_own_shared_memory(lambda: start(**account)) if apart else start(**account)
        start_time = started_at(psutil.Process(child.pid))
    except (OSError, psutil.Error, subprocess.SubprocessError) as error:
        os.close(writing)
        message = f"a process of uid {launch.account.uid} cannot be started: {error}"
        raise AccountError(message) from error
    finally:
        os.close(reading)
    return HeldProcess(StartedProcess(boot_id, child.pid, start_time), child, writing)


def watch_exit(identity: StartedProcess, ended: Callable[[], None]) -> Callable[[], None]:
    """Call ``ended`` once when the process has ended; return what stops the watch.

    A pidfd also tells of processes that are not our children: those we adopted.
    """
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(identity.pid)
    except OSError:
        handle = loop.call_soon(ended)
        return handle.cancel

    watched = True

    def stop() -> None:
        # Once only: afterwards the same number may be somebody else's descriptor.
        nonlocal watched
        if watched:
            watched = False
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def seen() -> None:
        stop()
        ended()

    loop.add_reader(descriptor, seen)
    return stop


@dataclass(frozen=True, slots=True)
class JobTree:
    """The marks by which all of a job's processes are known."""

    job_id: JobId
    uid: int
    root: StartedProcess
    boot_id: str
    slice_id: SliceId
    memory: TenantMemory = field(default_factory=tenant_memory)

    @property
    def rebooted(self) -> bool:
        """Whether the machine was restarted since the job's process began."""
        return self.root.boot_id != self.boot_id

    def find(self) -> list[psutil.Process]:
        """Return the processes of the job that live now."""
        found: dict[int, psutil.Process] = {}
        if is_alive(self.root, self.boot_id):
            with contextlib.suppress(psutil.Error):
                root = psutil.Process(self.root.pid)
                found[root.pid] = root
                found.update({child.pid: child for child in root.children(recursive=True)})
        # Not process_iter: of a pid that is another's by now it keeps whose it was, who has ended.
        for pid in psutil.pids():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if pid not in found and self._is_of_job(process):
                    found[pid] = process
        return [p for p in found.values() if p.pid != os.getpid() and _lives(p)]

    def _is_of_job(self, process: psutil.Process) -> bool:
        """Whether a process is in the slice's group, or has the job's id in its environment."""
        try:
            if process.uids().real != self.uid:
                return False
            # Whoever may make groups may give them names that are no text.
            groups = Path(f"/proc/{process.pid}/cgroup").read_text(errors="replace")
            if is_in_group_of(self.slice_id, groups):
                return True
            return self.memory.variables(process.pid, "SUBLET_JOB_ID")[:1] == (self.job_id,)
        except (psutil.Error, OSError):
            return False


async def end_tree(tree: JobTree, grace_s: float) -> bool:
    """Tell a job to end, wait, and kill what is left of it; return whether all have ended.

    The runner is told first, alone: it interrupts the cell, which can save what it has, and ends
    its kernel. Whoever is still there after most of the grace period is told too.
    """
    if grace_s > 0:
        if is_alive(tree.root, tree.boot_id):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(tree.root.pid, signal.SIGTERM)
            await _wait_for(lambda: not is_alive(tree.root, tree.boot_id), grace_s * _RUNNER_PART)
        if await _tell_all_to_end(tree, grace_s * (1 - _RUNNER_PART)):
            return True
    for _ in range(_KILL_ROUNDS):
        living = await _look(tree)
        if not living:
            return True
        _signal(living, signal.SIGKILL)
        await asyncio.sleep(_LOOK_EVERY_S)
    # One that waits for a disk or a file server ends only when that answers.
    _LOG.error("processes of job %s cannot be killed", tree.job_id)
    return False


async def _tell_all_to_end(tree: JobTree, within_s: float) -> bool:
    """Send SIGTERM to each process once; return whether all have ended."""
    told: set[psutil.Process] = set()
    deadline = time.monotonic() + within_s
    while True:
        living = await _look(tree)
        if not living:
            return True
        if time.monotonic() > deadline:
            return False
        _signal([process for process in living if process not in told], signal.SIGTERM)
        told.update(living)
        await asyncio.sleep(_LOOK_EVERY_S)


async def _look(tree: JobTree) -> list[psutil.Process]:
    return await asyncio.get_running_loop().run_in_executor(_LOOKS, tree.find)


async def _wait_for(happened: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    # A process that was adopted is no child, and tells nobody of its end but who looks.
    while not happened() and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_EVERY_S)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
