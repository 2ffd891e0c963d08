"""Who connected to a Unix socket, though they may be gone or their pid be another's."""

import os
import socket
import subprocess
import sys

import pytest
from sublet_agent.processes.peer import Peer, peer_of
from sublet_agent.processes.process_table import LinuxProcessTable

from tests.support.fake_device import FakeTable

_CONNECTS = """
import socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
sys.stdin.readline()
"""


@pytest.fixture
def listener(tmp_path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
        made.listen()
        yield made


@pytest.fixture
def client(listener):
    with subprocess.Popen(
        [sys.executable, "-c", _CONNECTS, listener.getsockname()], stdin=subprocess.PIPE
    ) as made:
        yield made


def knows_handles(connection):
    try:
        handle = connection.getsockopt(socket.SOL_SOCKET, 77)
    except OSError:
        return False
    os.close(handle)
    return True


def test_who_connected_is_known_by_their_identity(listener, client):
    table = LinuxProcessTable()
    with listener.accept()[0] as connection:
        peer = peer_of(connection, table)
        assert peer == Peer(client.pid, table.uid(client.pid), table.identify(client.pid))
        assert peer.identity is not None
        client.communicate()


def test_who_is_gone_is_not_taken_for_whoever_has_their_pid_now(listener, client):
    with listener.accept()[0] as connection:
        if not knows_handles(connection):
            pytest.skip("needs Linux 6.5, for a handle of the process that connected")
        client.communicate()
        table = FakeTable()
        table.add(client.pid)
        assert peer_of(connection, table).identity is None
