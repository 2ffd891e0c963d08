"""The programs whose memory holds what people compute leave none of it on a disk."""

import re
import subprocess
import sys
from pathlib import Path

from tests.support.agent_world import agent_world


def leaves_no_memory(pid):
    limits = Path(f"/proc/{pid}/limits").read_text()
    of_core = re.search(r"^Max core file size +(\S+) +(\S+)", limits, re.MULTILINE)
    dumped = int(Path(f"/proc/{pid}/coredump_filter").read_text(), 16)
    return of_core.groups() == ("0", "0") and dumped == 0


def test_agent_and_simulated_gpus_leave_no_core_dump(tmp_path):
    with agent_world(tmp_path) as world:
        assert leaves_no_memory(world.agent.process.pid)
        assert leaves_no_memory(world.gpus.process.pid)


def test_neither_do_the_processes_that_such_a_one_starts():
    program = (
        "import subprocess; from sublet_agent.processes.core_dumps import leave_no_core_dump;"
        "leave_no_core_dump(); subprocess.run(['cat', '/proc/self/coredump_filter'], check=True);"
        "subprocess.run(['sh', '-c', 'ulimit -Hc'], check=True)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["00000000", "0"]
