"""The daemon itself: its command line, what it survives, and how fast it answers."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sublet_agent.devices.detection import DevicePlaces, find_device
from sublet_agent.devices.interface import DeviceError
from sublet_agent.simulated.protocol.connection import Connection

from tests.support.simulated_gpus import SimulatedGpus, simulated_gpus, wait_until


@pytest.fixture(scope="module")
def gpus() -> Iterator[SimulatedGpus]:
    with simulated_gpus() as running:
        yield running


def test_ids_are_stable_by_index_and_differ_between_machines(gpus: SimulatedGpus) -> None:
    with simulated_gpus("--gpus", "3") as again:
        ids = [gpu.gpu_id for gpu in again.device.gpus()]
    assert ids[0] == gpus.gpu_id
    assert len(set(ids)) == 3
    with simulated_gpus("--machine-name", "other") as other:
        assert other.gpu_id != gpus.gpu_id


def test_options_set_memory_type_and_scale() -> None:
    with simulated_gpus("--memory-gib", "24", "--type", "Simulated L4", "--scale", "4096") as run:
        (card,) = run.device.gpus()
        assert (card.type, card.memory_mib, card.simulated) == ("Simulated L4", 24 * 1024, True)
        assert run.tenant().run("gpu.allocate(gib=4).length") == str(1024 * 1024)


def test_cards_of_several_types_are_written_in_one_option() -> None:
    with simulated_gpus("--cards", "2xH100:80, 1xRTX 6000:47.5") as run:
        cards = [(card.type, card.memory_mib) for card in run.device.gpus()]
    assert cards == [
        *2 * [("Simulated H100 80GB", 80 * 1024)],
        ("Simulated RTX 6000 47.5GB", 48640),
    ]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--scale", "1000"], "power of two"),
        (["--speed", "0"], "above zero"),
        (["--gpus", "0"], "gpus"),
        (["--cards", "2xH100"], "gpus: '2xH100' names no cards: write NUMBERxMODEL:GIB"),
        (["--cards", "1xL4:24,"], "gpus: '' names no cards"),
        (["--cards", "1xL4:0"], "gpus: '1xL4:0' names no cards"),
        (["--cards", "60xL4:24,5xH100:80"], "gpus: these are 65 cards: up to 64"),
    ],
)
def test_wrong_options_are_refused_with_the_reason(options: list[str], complaint: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "sublet_agent.simulated.daemon", "--socket", "unused", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert complaint in ended.stderr + ended.stdout


def test_sigterm_ends_it_cleanly_and_removes_the_socket() -> None:
    with simulated_gpus() as running:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=60) == 0
        assert not running.socket.exists()


def test_the_socket_of_a_killed_daemon_is_taken_over_and_that_of_a_living_one_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "gpus.sock"
    command = [sys.executable, "-m", "sublet_agent.simulated.daemon", "--socket", str(path)]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert first.stdout.readline().startswith("ready:")
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "another daemon serves" in second.stderr
    first.kill()
    first.wait()
    first.stdout.close()
    third = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert third.stdout is not None
    assert third.stdout.readline().startswith("ready:")
    third.terminate()
    assert third.wait(timeout=60) == 0
    third.stdout.close()


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        struct.pack("!II", 2**31, 0),
        struct.pack("!II", 2, 2**31) + b"{}",
        struct.pack("!II", 5, 0) + b"[1,2]",
        struct.pack("!II", 4, 0) + b"\xff\xff\xff\xff",
        struct.pack("!II", 60000, 0) + b"[" * 60000,
    ],
)
def test_junk_ends_the_connection_and_nothing_else(gpus: SimulatedGpus, junk: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(gpus.socket))
        connection.settimeout(60)
        connection.sendall(junk)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    assert gpus.device.gpus()


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"verb": None},
        {"verb": "format_disk"},
        {"verb": "allocate"},
        {"verb": "allocate", "handle": -1, "mib": 2},
        {"verb": "allocate", "handle": 1, "mib": 10**30},
        {"verb": "allocate", "handle": 1, "mib": True},
        {"verb": "allocate", "handle": 1, "mib": 2, "gpu_id": ["x"]},
        {"verb": "read", "handle": 1, "offset": 0, "length": 10**9},
        {"verb": "compute", "seconds": "long"},
        {"verb": "compute", "seconds": -1},
        {"verb": "compute", "seconds": 1, "kernel_s": 0},
        {"verb": "lock", "pid": "1; rm -rf /"},
        {"verb": "lock", "pid": 0},
        {"verb": "restore", "pid": 1, "mapping": [1]},
        {"verb": "fill", "handle": 1, "seed": 1.5},
        {"verb": "plan_fault", "operation": "state"},
        {"verb": "plan_fault", "operation": "lock", "code": 998},
        {"verb": "break_card", "gpu_id": "SIM-nope", "kind": "xid", "detail": ""},
    ],
)
def test_a_wrong_request_is_refused_and_the_connection_goes_on(
    gpus: SimulatedGpus, message: dict[str, object]
) -> None:
    text = json.dumps({"id": 7, **message}).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(gpus.socket))
        connection.settimeout(60)
        for _ in range(2):
            connection.sendall(struct.pack("!II", len(text), 0) + text)
            size, _ = struct.unpack("!II", connection.recv(8))
            answer = json.loads(connection.recv(size))
            assert answer["id"] == 7
            assert answer["error"] > 0


def test_a_client_that_reads_no_replies_is_cut_off_and_harms_nobody(gpus: SimulatedGpus) -> None:
    text = json.dumps({"verb": "gpus"}).encode()
    frame = struct.pack("!II", len(text), 0) + text
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(gpus.socket))
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            for _ in range(200_000):
                connection.sendall(frame)
        assert gpus.device.gpus()


def test_the_fault_command_poisons_and_inspect_tells(gpus: SimulatedGpus) -> None:
    tenant = gpus.tenant()
    tenant.run("gpu.allocate(gib=1).fill(1)")
    faults = [sys.executable, "-m", "sublet_agent.simulated.faults", "--socket", str(gpus.socket)]
    well = subprocess.run([*faults, "inspect", "--verify"], capture_output=True, check=True)
    assert json.loads(well.stdout)["processes"][0]["buffers"][0]["intact"] is True
    subprocess.run([*faults, "poison", "--pid", str(tenant.pid)], check=True)
    gpus.device.pause(tenant.pid, 1000)
    gpus.device.suspend(tenant.pid)
    with pytest.raises(DeviceError):
        gpus.device.resume(tenant.pid)
    lost = subprocess.run([*faults, "inspect"], capture_output=True, check=False)
    assert lost.returncode == 1
    assert json.loads(lost.stdout)["processes"][0]["poisoned"] is True
    tenant.kill()


def test_health_reports_each_event_once_and_leaves_out_programs_own_mistakes(
    gpus: SimulatedGpus,
) -> None:
    device = find_device("simulated", DevicePlaces(str(gpus.socket)))
    device.health()
    gpus.administration.report_xid(gpus.gpu_id, 79, "fallen off the bus")
    gpus.administration.report_xid(gpus.gpu_id, 31, "page fault")
    gpus.administration.report_ecc(gpus.gpu_id)
    assert [each.fault for each in device.health()] == ["xid", "ecc"]
    assert device.health() == []
    # As a driver: who begins to watch later hears nothing of it.
    assert find_device("simulated", DevicePlaces(str(gpus.socket))).health() == []


def test_finding_simulated_gpus_without_a_daemon_says_so() -> None:
    with pytest.raises(DeviceError, match="do not answer"):
        find_device("simulated", DevicePlaces("/nonexistent/socket"))
    with pytest.raises(DeviceError, match="say where"):
        find_device("simulated", DevicePlaces())


def test_a_dead_threads_connection_is_closed(gpus: SimulatedGpus) -> None:
    connection = Connection(str(gpus.socket))
    connection.request("gpus")
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    del connection
    wait_until(lambda: len(list(Path("/proc/self/fd").iterdir())) < descriptors)


def test_a_second_request_before_the_first_is_answered_ends_the_connection(
    gpus: SimulatedGpus,
) -> None:
    frames = b""
    for verb in ("compute", "memory_info"):
        message = {"verb": verb, "seconds": 60, "wait": True, "gpu_id": None}
        text = json.dumps(message).encode()
        frames += struct.pack("!II", len(text), 0) + text
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(gpus.socket))
        connection.settimeout(60)
        connection.sendall(frames)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    Connection(str(gpus.socket)).request("reset")


def test_a_user_may_not_have_connections_without_end(gpus: SimulatedGpus) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to start other users")
    tenant = gpus.tenant(uid=65534)
    path = str(gpus.socket)
    tenant.run("import socket; cs = [socket.socket(socket.AF_UNIX) for _ in range(600)]")
    tenant.run(f"[c.connect({path!r}) for c in cs]; [c.settimeout(60) for c in cs]")
    count = "sum(1 for c in cs[590:] if c.recv(1) == b'')"
    assert tenant.run(count) == "10"
    assert gpus.device.gpus()
    tenant.kill()
