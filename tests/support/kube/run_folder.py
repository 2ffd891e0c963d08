"""The folder of one run of the cluster's tests, and what is done about a run that was killed.

A folder is named after the run's process and when that started. Where no such process lives, the
run was killed: its programs and containers are found by the folder in their command lines, its
mounts below the folder, its bridge by the name that the folder keeps. Nothing else on the machine
is touched.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.support.ended_processes import has_ended
from tests.support.kube.cache import alone
from tests.support.live_processes import command_of, live_processes

_PREFIX: Final = "sublet-kube-"
_LOCK: Final = "sublet-kube.lock"
_BRIDGE: Final = "bridge"
_KERNEL: Final = "kernel.json"
_NETWORK: Final = "network-number"
_SETTINGS: Final = Path("/proc/sys")
_CHANGED_BY_KUBELET: Final = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_OURS: Final = ("etcd", "kube-", "kubelet", "containerd", "runc", "kwok")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_END_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Network:
    """The addresses of one run's node and pods: a bridge of its own."""

    bridge: str
    third: int

    @property
    def own_address(self) -> str:
        """The loopback address at which the run's programs listen: nobody else's."""
        return f"127.214.{self.third}.1"

    @property
    def address(self) -> str:
        """The machine's address on the bridge: the node's, and the hub's as pods reach it."""
        return f"10.214.{self.third}.1"

    @property
    def hardware_address(self) -> str:
        """The bridge's own, out of those that nobody assigns: bytes in hexadecimal."""
        return f"02:53:0a:d6:{self.third:02x}:01"

    @property
    def first_pod(self) -> str:
        return f"10.214.{self.third}.10"

    @property
    def pods(self) -> str:
        return f"10.214.{self.third}.0/24"

    @property
    def services(self) -> str:
        """The range of Services' addresses."""
        return f"10.213.{self.third}.0/24"

    @property
    def service_of_the_api(self) -> str:
        return f"10.213.{self.third}.1"


@contextmanager
def run_folder() -> Iterator[Path]:
    """Make this run's folder, after tidying what killed runs left; remove it in the end."""
    base = Path(tempfile.gettempdir())
    # Of runs that begin side by side one tidies.
    with alone(base / _LOCK):
        for folder in base.glob(_PREFIX + "*"):
            if not _alive(folder):
                tidy(folder)
    folder = base / f"{_PREFIX}{os.getpid()}-{_start_of(os.getpid())}"
    folder.mkdir(mode=0o755)
    try:
        yield folder
    finally:
        keep = os.environ.get("SUBLET_KEEP_KUBE_LOGS")
        if keep:
            shutil.copytree(
                folder, keep, dirs_exist_ok=True, ignore=lambda _, names: _no_logs(folder, names)
            )
        tidy(folder)


def network_of(folder: Path) -> Network:
    """Return a run's addresses: no other run has them, and no route of this machine led there."""
    pid = int(folder.name.split("-")[2])
    bridge = f"sublet{pid}"[:15]
    chosen = folder / _NETWORK
    if chosen.exists():
        return Network(bridge, int(chosen.read_text()))
    with alone(folder.parent / _LOCK):
        taken = set(_networks_of_others(folder))
        routes = Path("/proc/net/route").read_text()
        for third in (*range(pid % 250, 250), *range(pid % 250)):
            # Written as the kernel does: the bytes of 10.214.THIRD.0 backwards.
            if third not in taken and f"00{third:02X}D60A" not in routes:
                chosen.write_text(str(third))
                return Network(bridge, third)
    message = "every network of 10.214.0.0/16 is taken on this machine"
    raise RuntimeError(message)


def _networks_of_others(folder: Path) -> Iterator[int]:
    for other in folder.parent.glob(f"{_PREFIX}*/{_NETWORK}"):
        # A run that ends takes its folder away.
        with suppress(FileNotFoundError):
            yield int(other.read_text())


def remember_bridge(folder: Path, bridge: str) -> None:
    """Note a bridge before it is made, so that it is removed whatever comes."""
    (folder / _BRIDGE).write_text(bridge)


def remember_kernel_settings(folder: Path) -> None:
    """Note what a kubelet changes in the kernel, so that it is set back whatever comes."""
    found = {name: (_SETTINGS / name).read_text() for name in _CHANGED_BY_KUBELET}
    for other in folder.parent.glob(f"{_PREFIX}*/{_KERNEL}"):
        # Its kubelet has changed them already. It may be about to end, or to begin.
        with suppress(FileNotFoundError, json.JSONDecodeError):
            found = json.loads(other.read_text())
    (folder / _KERNEL).write_text(json.dumps(found))


def cgroup_of(folder: Path) -> str:
    """Return the name of the cgroup below which the run's pods live."""
    return folder.name


def tidy(folder: Path) -> None:
    """End, unmount, set back and remove all that belongs to a run's folder."""
    end_programs(folder)
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in reversed([each for each in mounts if each.startswith(f"{folder}/")]):
        _try("umount", "-l", mount)
    if (bridge := folder / _BRIDGE).exists():
        _try("ip", "link", "delete", bridge.read_text())
    if (kernel := folder / _KERNEL).exists():
        for name, value in json.loads(kernel.read_text()).items():
            (_SETTINGS / name).write_text(value)
    _remove_cgroups(cgroup_of(folder))
    for link in Path("/var/log/containers").glob("*"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{folder}/"):
            link.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _remove_cgroups(name: str) -> None:
    for group in sorted(_groups(name), reverse=True):
        _remove_cgroup(group)


def _groups(name: str) -> Iterator[Path]:
    """Yield the run's cgroups of every hierarchy; one that goes away meanwhile is no error."""
    for root in (*_CGROUPS.glob(name), *_CGROUPS.glob(f"*/{name}")):
        for group, _, _ in os.walk(root):
            yield Path(group)


def _try(*command: str) -> None:
    """Run a command; what is gone already is no error."""
    subprocess.run(command, check=False, capture_output=True)


def end_programs(folder: Path, named: Sequence[str] = _OURS) -> None:
    """Kill programs of a run, with what they contain.

    What one of them starts while it is killed has no parent any more: its cgroup tells whose it is.
    """
    ends = time.monotonic() + _END_S
    while time.monotonic() < ends:
        left = [*_programs_of(folder, tuple(named)), *_contained(cgroup_of(folder))]
        if not left:
            return
        for process in left:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        _thaw(cgroup_of(folder))
        psutil.wait_procs(left, timeout=2)


def _thaw(name: str) -> None:
    """Let what has been killed in the run's cgroups end, where these are frozen (version 1).

    The agent freezes slices, and runc the container whose devices it sets: killed in the middle of
    that, it leaves it so.
    """
    for group in _groups(name):
        with suppress(OSError):
            if (state := group / "freezer.state").exists():
                state.write_text("THAWED")


def _programs_of(folder: Path, named: tuple[str, ...]) -> list[psutil.Process]:
    """Return the run's programs that still live, with what they contain."""
    found: list[psutil.Process] = []
    for process in live_processes():
        words = command_of(process)
        ours = Path(words[0]).name.startswith(named) if words else False
        if ours and any(f"{folder}/" in word for word in words):
            try:
                found += [*process.children(recursive=True), process]
            except psutil.NoSuchProcess:
                continue
    return [each for each in found if not has_ended(each)]


def _contained(name: str) -> list[psutil.Process]:
    """Return what lives in the run's cgroups."""
    pids: set[int] = set()
    for group in _groups(name):
        with suppress(OSError):
            pids.update(map(int, (group / "cgroup.procs").read_text().split()))
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return [each for each in found if not has_ended(each)]


def _remove_cgroup(group: Path) -> None:
    for _ in range(20):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return


def _alive(folder: Path) -> bool:
    pid, started = folder.name.removeprefix(_PREFIX).split("-")
    return _start_of(int(pid)) == started


def _start_of(pid: int) -> str:
    """Return when a process has started, in the kernel's ticks since boot; empty: there is none.

    Not its time of day: that is another when the machine's clock is set, and a run would take those
    beside it for killed ones.
    """
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return ""
    return after_name.split()[19]


def _no_logs(folder: Path, names: list[str]) -> list[str]:
    return [each for each in names if not (folder / each).is_file() or not each.endswith(".log")]
