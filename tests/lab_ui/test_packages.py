"""What an sdist and the wheel made of it have: both front ends, whole, and without npm."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILT = {
    "labextension/dist/": "sublet-0.1.0.data/data/share/jupyter/labextensions/sublet-lab/",
    "hub_ext/sublet_hub/web/console/dist/": "sublet_hub/web/console/dist/",
}
WORKSPACE = json.loads((ROOT / "package.json").read_text())["workspaces"]


def build(target: str, folder: Path, into: Path, **environment: str) -> Path:
    ran = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(into)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (made,) = into.iterdir()
    return made


def test_the_wheel_of_an_sdist_has_both_front_ends_and_needs_no_npm(tmp_path: Path) -> None:
    for each in BUILT:
        if not (ROOT / each).is_dir():
            pytest.skip(f"{each} is missing: `make setup` builds it")
    sdist = build("sdist", ROOT, tmp_path / "sdist", SKIP_JUPYTER_BUILDER="1")
    with tarfile.open(sdist) as packed:
        names = set(packed.getnames())
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        packed.extractall(tmp_path, **safely)  # type: ignore[arg-type] # noqa: S202
    assert not [each for each in names if "node_modules" in each or ".venv" in each]
    unpacked = tmp_path / sdist.name.removesuffix(".tar.gz")
    # Who changes a front end in it builds it by the same lock.
    manifests = {f"{folder}/package.json" for folder in WORKSPACE}
    for each in {"package.json", "package-lock.json", "labextension/rspack.config.cjs", *manifests}:
        assert f"{unpacked.name}/{each}" in names
    # As on a machine that has neither node nor npm.
    wheel = build("wheel", unpacked, tmp_path / "wheel", PATH=str(tmp_path))
    with zipfile.ZipFile(wheel) as packed_wheel:
        there = set(packed_wheel.namelist())
    for built, installed in BUILT.items():
        files = {
            path.relative_to(ROOT / built).as_posix()
            for path in (ROOT / built).rglob("*")
            if path.is_file()
        }
        assert files
        found = {name.removeprefix(installed) for name in there if name.startswith(installed)}
        assert found == files
        assert {f"{unpacked.name}/{built}{each}" for each in files} <= names
