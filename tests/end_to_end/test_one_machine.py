"""`make up` as a person runs it: it says how to log in, and leaves nothing behind."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest

pytestmark = pytest.mark.end_to_end


def free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return each.getsockname()[1]


def test_up_tells_how_to_log_in_and_ends_with_all_its_parts(tmp_path):
    port = free_port()
    told = tmp_path / "told.txt"
    command = [sys.executable, "-m", "sublet_hub.one_machine", "--device", "simulated"]
    with told.open("w") as output:
        up = subprocess.Popen(
            [*command, "--port", str(port), "--folder", str(tmp_path / "sublet")],
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        ends = time.monotonic() + 90
        while "Stop with Ctrl-C" not in told.read_text():
            assert up.poll() is None, told.read_text()
            assert time.monotonic() < ends, told.read_text()
            time.sleep(0.2)
        assert "SIMULATED" in told.read_text()
        assert re.search(r"any name and the password\s+\S{8,}", told.read_text())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/hub/login", timeout=10) as page:
            assert page.status == 200
        parts = psutil.Process(up.pid).children(recursive=True)
        assert len(parts) >= 4
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)
    assert up.returncode == 0, told.read_text()
    _, alive = psutil.wait_procs(parts, timeout=10)
    assert alive == []
    private = [tmp_path / "sublet" / "secrets" / name for name in ("password", "service-token")]
    assert [oct(each.stat().st_mode & 0o777) for each in private] == ["0o600", "0o600"]


def test_up_on_a_machine_without_a_card_refuses_nvidia_and_says_what_to_do():
    command = [sys.executable, "-m", "sublet_hub.one_machine", "--device", "nvidia"]
    if shutil.which("nvidia-smi") is not None:
        pytest.skip("this machine has an NVIDIA driver")
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "no NVIDIA GPU" in ended.stderr
