"""The limit of open files, of a process of its own: it cannot be undone in this one."""

import subprocess
import sys

import pytest

SAY = """
import resource, sys
from sublet_hub.host.file_limit import allow_files
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
print(allow_files(900))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "expected"), [(100, 1000, 900), (100, 500, 500), (950, 1000, 950)]
)
def test_as_many_files_as_are_wanted_and_allowed(soft: int, hard: int, expected: int) -> None:
    command = [sys.executable, "-c", SAY, str(soft), str(hard)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) == expected
