"""Each right that the chart gives an agent is needed: without it something breaks (THREATS 19).

The agent's own code runs with the rights that the chart renders, and once more without one of them.
Who gives it another right adds a test here that shows what for: else the first test fails.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from sublet_agent.cgroups.trees import CGROUPS, FreezerTree

from tests.support.control_groups import needs_freezer
from tests.support.helm_charts import render
from tests.support.helm_options import OPTIONS

pytestmark = [
    pytest.mark.usefixtures("helm"),
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("setpriv") is None or shutil.which("unshare") is None,
        reason="needs root, setpriv and unshare to run the agent's code with a few rights",
    ),
]

TENANT: Final = 65533
LOOK: Final = """
import sys
from sublet_agent.devices.beforehand import why_not_suspendable
print(why_not_suspendable(int(sys.argv[1])))
"""
GO_ON: Final = """
import signal, sys
from sublet_agent.processes.process_table import LinuxProcessTable
table = LinuxProcessTable()
print(table.send_signal(table.identify(int(sys.argv[1])), signal.SIGCONT))
"""
FREEZE: Final = """
import os, sys
from pathlib import Path
from sublet_agent.cgroups.trees import tree_below
from sublet_agent.state_files.journal import Journal
folder, version, place, account = sys.argv[1:]
os.setuid(int(account))
trees = [tree for tree in tree_below(Path(folder)) if tree.version == int(version)]
try:
    for tree in trees:
        tree.begin_freezing(place)
        tree.thaw(place)
    print("frozen" if trees else "no tree")
except PermissionError:
    print("not allowed")
"""
PEER: Final = """
import socket, sys
from sublet_agent.processes.peer import peer_of
from sublet_agent.processes.process_table import LinuxProcessTable
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("listening", flush=True)
connection, _ = listener.accept()
peer = peer_of(connection, LinuxProcessTable())
print(peer.pid if peer.identity is not None else "nobody")
"""
RECOVER: Final = """
import os, sys
from pathlib import Path
from sublet_agent.state_files.journal import Journal, Step, Target
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_quota.residency.snapshot import Holder
folder, begins, account = sys.argv[1:]
os.setuid(int(account))
try:
    journal = Journal(Path(folder) / "journal.jsonl")
except PermissionError:
    print("not allowed")
    sys.exit()
if begins == "begins":
    identity = LinuxProcessTable().identify(os.getpid())
    journal.write(Step.SUSPENDING, [Target(identity, "GPU-1", "slice", Holder.NOTEBOOK)])
print(len(journal.entries()))
"""


def agents_pod(values: Any = None) -> dict[str, Any]:
    pod = render(values or {}).one("DaemonSet", "sublet-agent")["spec"]["template"]["spec"]
    return dict(pod)


def agents_capabilities() -> list[str]:
    added = agents_pod()["containers"][0]["securityContext"]["capabilities"]["add"]
    return [name.lower() for name in added]


def with_rights(code: str, *arguments: object, without: str = "") -> list[str]:
    """Return the command that runs code of the agent's with what the chart gives it, less one."""
    kept = [f"+{name}" for name in agents_capabilities() if name != without]
    rights = ["setpriv", f"--bounding-set={','.join(['-all', *kept])}", "--clear-groups"]
    return [*rights, sys.executable, "-c", code, *map(str, arguments)]


def as_tenant(code: str, *arguments: object) -> list[str]:
    """Return the command that runs code that begins by becoming the tenant's account."""
    return [sys.executable, "-c", code, *map(str, arguments), str(TENANT)]


def said_by(command: Sequence[str], cwd: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def a_tenants_process() -> Iterator[int]:
    command = ["/bin/sh", "-c", "echo; read line"]
    with subprocess.Popen(
        command,
        user=TENANT,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Within one session anybody may let others go on.
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def test_there_is_a_test_for_each_right_that_the_chart_gives() -> None:
    pod = agents_pod()
    agent = pod["containers"][0]["securityContext"]
    assert agents_capabilities() == ["sys_ptrace", "kill"]
    assert agent["runAsUser"] == 0
    of_node = {each for each in pod if each.startswith("host")}
    assert of_node == {"hostPID"}
    given = {v["name"] for v in pod["volumes"] if {"hostPath", "projected"} & set(v)}
    assert given == {
        "service-token",
        "tenants",
        "journal",
        "control-groups",
        "device-plugins",
    }


def test_without_sys_ptrace_nobody_could_be_suspended(tmp_path: Path) -> None:
    with a_tenants_process() as pid:
        assert said_by(with_rights(LOOK, pid), tmp_path) == "None"
        without = said_by(with_rights(LOOK, pid, without="sys_ptrace"), tmp_path)
    assert "UNREADABLE" in without


def test_without_kill_whoever_stops_themselves_would_stop_their_own_move(tmp_path: Path) -> None:
    """The driver waits for a process that is stopped: it is let go on, also another user's."""
    with a_tenants_process() as pid:
        os.kill(pid, signal.SIGSTOP)
        assert said_by(with_rights(GO_ON, pid, without="kill"), tmp_path) == "False"
        assert said_by(with_rights(GO_ON, pid), tmp_path) == "True"


@contextmanager
def a_pods_group(folder: Path) -> Iterator[tuple[FreezerTree, str]]:
    """A group as the kubelet makes one for a pod, with nobody in it."""
    tree, place = needs_freezer(folder), f"/sublet-pod-of-a-test-{secrets.token_hex(8)}"
    tree.make(place)
    try:
        yield tree, place
    finally:
        tree.remove(place)


def test_as_another_account_no_slice_could_be_frozen_and_no_move_written_down(
    tmp_path: Path,
) -> None:
    with a_pods_group(tmp_path) as (tree, place):
        freeze = (FREEZE, CGROUPS, tree.version, place)
        assert said_by(with_rights(*freeze, 0), tmp_path) == "frozen"
        assert said_by(as_tenant(*freeze), tmp_path) == "not allowed"
    assert said_by(with_rights(RECOVER, tmp_path, "looks", 0), tmp_path) == "0"
    assert said_by(as_tenant(RECOVER, tmp_path, "looks"), tmp_path) == "not allowed"


def test_without_the_nodes_pids_nobody_who_connects_would_be_known(tmp_path: Path) -> None:
    own_pids = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    assert _known_peer([], tmp_path / "with.sock") is True
    assert _known_peer(own_pids, tmp_path / "without.sock") is False


def _known_peer(before: Sequence[str], path: Path) -> bool:
    """Whether code of the agent's that runs so knows who has connected to its socket."""
    command = [*before, *with_rights(PEER, path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "listening\n"
        with socket.socket(socket.AF_UNIX) as tenant:
            tenant.connect(str(path))
            said = agent.stdout.readline().strip()
    assert said in {str(os.getpid()), "nobody"}
    return said != "nobody"


def test_without_the_nodes_control_groups_no_slice_could_be_frozen(tmp_path: Path) -> None:
    assert _mounted("cgroup_folder") == ("/sys/fs/cgroup", False)
    with a_pods_group(tmp_path) as (tree, place):
        frozen = said_by(with_rights(FREEZE, CGROUPS, tree.version, place, 0), tmp_path)
        without = said_by(with_rights(FREEZE, tmp_path, tree.version, place, 0), tmp_path)
    assert (frozen, without) == ("frozen", "no tree")


def test_without_the_nodes_folder_the_next_agent_would_know_of_no_move_under_way(
    tmp_path: Path,
) -> None:
    assert _mounted("state_folder") == ("/var/lib/sublet-agent", False)
    first, second = tmp_path / "of-the-node", tmp_path / "of-the-next-pod"
    for folder in (first, second):
        folder.mkdir()
    assert said_by(with_rights(RECOVER, first, "begins", 0), tmp_path) == "1"
    assert said_by(with_rights(RECOVER, first, "looks", 0), tmp_path) == "1"
    assert said_by(with_rights(RECOVER, second, "looks", 0), tmp_path) == "0"


def test_the_other_folders_of_the_node_are_those_where_its_neighbours_look() -> None:
    assert _mounted("tenant_socket") == ("/run/sublet/tenants", False)
    assert _mounted("kubelet_folder") == ("/var/lib/kubelet/device-plugins", False)
    without = agents_pod(OPTIONS["no lending"])
    assert "device-plugins" not in {volume["name"] for volume in without["volumes"]}


def test_its_only_token_is_the_one_that_its_program_reads() -> None:
    pod = agents_pod()
    secret_file = Path(render({}).configuration("agent")["secret_file"])
    (mount,) = [
        each
        for each in pod["containers"][0]["volumeMounts"]
        if secret_file.is_relative_to(each["mountPath"])
    ]
    assert (mount["name"], mount.get("readOnly")) == ("service-token", True)


def _mounted(option: str) -> tuple[str, bool]:
    """Return which of the node's folders an option of the agent's lies in, and if read-only."""
    pod = agents_pod()
    path = Path(render({}).configuration("agent")[option])
    mounts = pod["containers"][0]["volumeMounts"]
    inside = [each for each in mounts if path.is_relative_to(each["mountPath"])]
    closest = max(inside, key=lambda each: len(each["mountPath"]))
    (volume,) = [each for each in pod["volumes"] if each["name"] == closest["name"]]
    return volume["hostPath"]["path"], bool(closest.get("readOnly"))
