"""Two agents on one state folder: the second waits for the first one's end."""

import subprocess
import sys
from pathlib import Path

AGENT = """
import logging, os, sys, time
from pathlib import Path
from sublet_agent.state_files.one_agent import become_the_only_agent
logging.basicConfig()
become_the_only_agent(Path(sys.argv[1]))
if os.fork() == 0:
    os.setsid()
    time.sleep(30)
print(os.getpid(), flush=True)
time.sleep(30)
"""


def begin(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", AGENT, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def test_an_agent_waits_for_the_one_before_but_not_for_what_that_has_left(tmp_path):
    with begin(tmp_path) as first, begin_after(first, tmp_path) as second:
        assert second.stdout is not None
        assert second.stderr is not None
        assert "waiting for its end" in second.stderr.readline()
        first.kill()
        assert second.stdout.readline() == f"{second.pid}\n"
        second.kill()


def begin_after(first: subprocess.Popen[str], folder: Path) -> subprocess.Popen[str]:
    assert first.stdout is not None
    assert first.stdout.readline() == f"{first.pid}\n"
    return begin(folder)
