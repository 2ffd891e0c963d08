"""The unit tests of both front ends and of what they share, as their own tools run them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def npm_run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    npm = shutil.which("npm", path=PATH)
    if npm is None:
        pytest.skip("npm is missing: `make setup` brings it")
    if not (ROOT / "node_modules").is_dir():
        pytest.skip("the packages of the front end are missing: `make setup` brings them")
    return subprocess.run(
        [npm, "run", "--silent", script],
        cwd=folder,
        env={**os.environ, "PATH": PATH, "CI": "1", "NO_COLOR": "1", "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize("folder", ["labextension", "labextension/format", "hub_ext/console"])
def test_the_front_end_s_own_tests_pass(folder: str) -> None:
    ran = npm_run(ROOT / folder, "test")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_console_and_the_api_have_not_drifted_apart() -> None:
    ran = npm_run(ROOT / "hub_ext/console", "types:check")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_built_console_has_the_licences_of_what_is_in_it() -> None:
    told = ROOT / "hub_ext/sublet_hub/web/console/dist/third-party-licences.txt"
    if not told.parent.is_dir():
        pytest.skip("the console is not built: `make setup` does it")
    named = json.loads((ROOT / "hub_ext/console/package.json").read_text())["dependencies"]
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    # What is the workspace's own has Sublet's licence.
    packages = [each for each in named if not locked[f"node_modules/{each}"].get("link")]
    assert len(packages) == len(named) - 1
    text = told.read_text()
    for name in packages:
        licence = r"(MIT|ISC|BSD-3-Clause)"
        assert re.search(rf"^{re.escape(name)} [0-9.]+ \({licence}\)$", text, re.MULTILINE), name
    granted = re.findall(
        "Permission is hereby granted|Permission to use, copy, modify|Redistribution and use in",
        text,
    )
    assert len(granted) >= len(packages)
