"""The unit tests of the JupyterLab extension, as its own tools run them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXTENSION = Path(__file__).parents[2] / "labextension"
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def test_the_front_end_s_own_tests_pass() -> None:
    npm = shutil.which("npm", path=PATH)
    if npm is None:
        pytest.skip("npm is missing: `make setup` brings it")
    if not (EXTENSION / "node_modules").is_dir():
        pytest.skip("the extension's packages are missing: `make setup` brings them")
    ran = subprocess.run(
        [npm, "run", "--silent", "test"],
        cwd=EXTENSION,
        env={**os.environ, "PATH": PATH, "CI": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
