"""No program that the agent starts takes a module from the folder where an admin happens to be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sublet_agent.app.watchdog import agent_command

from tests.support.nvidia_stand_in.stand_in import NvidiaStandIn


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A folder with a module that each program imports first, which stops at that."""
    package = tmp_path / "tenants" / "sublet_agent"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('a module of the tenant')\n")
    return package.parent


def test_a_check_takes_no_module_from_there(planted: Path, tmp_path: Path) -> None:
    program = str(Path(sys.executable).parent / "sublet-agent")
    with NvidiaStandIn.running(tmp_path, mib_per_gib=16, bytes_per_mib=2**20) as it:
        done = subprocess.run(
            [program, "--check", "--device=nvidia"],
            cwd=planted,
            env={**os.environ, **it.environment()},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert "module of the tenant" not in done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is fit to be lent." in done.stdout


def test_the_agent_itself_takes_no_module_from_there(planted: Path) -> None:
    done = subprocess.run(
        agent_command(["--help"]), cwd=planted, capture_output=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
