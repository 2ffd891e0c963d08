"""What a tenant may say at the agent's socket, and what that can cost others: nothing."""

import json
import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest
from sublet_agent.tenants.budgets import SocketLimits
from sublet_quota.wire.tenant_socket import MOST_LINE_BYTES

from tests.support.agent_world import agent_world
from tests.support.running_agent import TenantLine
from tests.support.tenants import Tenant


@pytest.fixture(scope="module")
def world():
    # Not in pytest's own folder: other accounts cannot even look into that.
    with (
        tempfile.TemporaryDirectory(prefix="sublet-agent-") as folder,
        agent_world(Path(folder), "--SubletAgent.tick_s=0.05") as made,
    ):
        made.serve(made.notebook("a", 20), made.notebook("b", 20))
        yield made


@pytest.fixture
def line(world):
    made = TenantLine(world.agent.tenant_socket)
    yield made
    made.close()


def test_the_socket_is_everybodys_and_its_folder_is_not(world):
    path = world.agent.tenant_socket
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


def test_a_process_of_no_slice_is_told_so(line):
    line.send(type="enter", kernel="k", cell="c")
    answer = line.receive()
    assert answer["type"] == "unknown"
    assert answer["cell"] == "c"
    assert "belongs to no slice" in answer["message"]


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"type": "enter"}',
        b'{"type": "nonsense"}',
        b'{"type": "enter", "kernel": "k", "cell": "c", "slice_id": "b"}',
        b'{"type": "activity", "kernel": "k", "sequence": -1, "busy": true}',
        b'{"type": "enter", "kernel": "' + b"k" * 300 + b'", "cell": "c"}',
    ],
)
def test_what_cannot_be_read_is_answered_with_unknown_and_the_line_goes_on(line, text):
    line._socket.sendall(text + b"\n")
    answer = line.receive()
    # Who sends it is of no slice: what can be read is answered with "unknown", too.
    assert (answer["type"], "cannot be read" in answer["message"]) == ("unknown", True)
    line.send(type="share")
    assert "belongs to no slice" in line.receive()["message"]


def test_a_line_too_long_ends_the_connection(line):
    line._socket.sendall(b"x" * (MOST_LINE_BYTES + 1))
    assert "longer than" in line.receive()["message"]
    assert line._reader.readline() == b""


def test_who_sends_nothing_but_rubbish_is_cut_off(line):
    line._socket.sendall(b"rubbish\n" * 50)
    answers = []
    while text := line._reader.readline():
        answers.append(json.loads(text)["type"])
    assert answers == ["unknown"] * 20


def test_a_kernel_sees_its_own_share_and_no_other(world):
    kernel = world.kernel("a")
    kernel.enter()
    kernel.fill(3, 1)
    world.until(lambda: world.report("a").memory_mib > 3 * 1024)
    kernel.run("mine = say(type='share')")
    assert kernel.run("mine['slice_id']") == "'a'"
    assert kernel.run("mine['simulated']") == "True"
    assert int(kernel.run("mine['memory_mib']")) > 3 * 1024


def test_a_report_moves_only_its_senders_slice(world):
    world.until(lambda: not world.report("b").active)
    kernel = world.kernel("a")
    # Again and again, as it is active for a moment only.
    world.until(lambda: kernel.enter() and world.report("a").active)
    assert not world.report("b").active


def test_too_many_connections_of_one_slice_are_refused_and_others_served(world):
    hog = world.kernel("a")
    # From here on it is known whose it is, which its environment tells here.
    hog.enter()
    most = SocketLimits().connections
    hog.run("resource = __import__('resource')")
    hog.run(f"resource.setrlimit(resource.RLIMIT_NOFILE, ({2 * most}, {2 * most}))")
    hog.run(
        "many = [(s := socket.socket(socket.AF_UNIX), "
        "s.connect(os.environ['SUBLET_AGENT_SOCKET']))[0] "
        f"for _ in range({most + 16})]"
    )
    other = world.kernel("b")
    other.enter()
    hog.run("last = many[-1].makefile('rb').readline()")
    assert "connections already" in hog.run("last.decode()")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_another_account_that_names_somebodys_slice_gets_nothing(world):
    environment = {
        "SUBLET_SLICE_ID": "a",
        "SUBLET_SIMULATED_SOCKET": str(world.gpus.socket),
        "PATH_TO_AGENT": str(world.agent.tenant_socket),
    }
    forger = Tenant.start("sublet_agent.simulated.client", environment, uid=65534)
    try:
        forger.run("import json, os, socket")
        forger.run("s = socket.socket(socket.AF_UNIX)")
        forger.run("s.connect(os.environ['PATH_TO_AGENT'])")
        forger.run('s.sendall(b\'{"type": "share"}\' + bytes([10]))')
        assert "belongs to no slice" in forger.run("s.makefile('rb').readline().decode()")
    finally:
        forger.close()


def test_a_cell_that_is_interrupted_no_longer_waits(world):
    with socket.socket(socket.AF_UNIX) as gone:
        gone.connect(str(world.agent.tenant_socket))
        gone.sendall(b'{"type": "enter", "kernel": "k", "cell": "c"}\n')
    kernel = world.kernel("b")
    kernel.enter()
