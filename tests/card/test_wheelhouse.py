"""A wheelhouse carries whole files in parts, and says what is wrong before anything is used."""

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gather
import install
import pytest
from packaging.requirements import Requirement

MOST_BYTES = 128 * 1024
HERE = "{}.{}".format(*sys.version_info)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def wheel(folder: Path, name: str, *needs: str) -> Path:
    """Make a wheel that says what it needs."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(
            f"{name}-1.0.dist-info/METADATA",
            "\n".join([*lines, *(f"Requires-Dist: {need}" for need in needs)]),
        )
    return path


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """What a wheelhouse is made of: a file that is larger than a part, and small ones."""
    folder = tmp_path / "staged"
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    with zipfile.ZipFile(wheels / "sublet-0.1.0-py3-none-any.whl", "w") as own:
        lab, console = install.BUNDLES
        own.writestr(f"sublet-0.1.0.data/data{lab}package.json", "{}")
        own.writestr(f"sublet-0.1.0.data/data{lab}static/style.js", "// style")
        own.writestr(f"{console[1:]}manifest.json", "{}")
        own.writestr(f"{console[1:]}assets/index.js", "// console")
    (wheels / "large.whl").write_bytes(bytes(range(256)) * 1500)
    for number in range(30):
        (wheels / f"small-{number}.whl").write_bytes(bytes([number]) * 7000)
    (folder / "proxy.tar.gz").write_bytes(b"a proxy")
    return folder


@pytest.fixture
def house(tmp_path: Path, staged: Path) -> Path:
    folder = tmp_path / "house"
    folder.mkdir()
    options = SimpleNamespace(python_version=HERE, platform="manylinux_2_28_x86_64", extras="demo")
    parts = gather.pack(staged, folder, MOST_BYTES)
    gather.describe(options, staged, folder, parts)
    return folder


def told_of(house: Path) -> dict[str, Any]:
    return install.read_list(house)


def test_files_come_out_as_they_went_in_also_those_larger_than_a_part(
    house: Path, staged: Path, tmp_path: Path
) -> None:
    opened = tmp_path / "opened"
    install.open_parts(house, told_of(house), opened)
    found = digests(opened)
    assert {name: found.get(name) for name in digests(staged)} == digests(staged)
    assert (opened / "extras").read_text() == "demo"
    assert sorted(digests(opened / "labextension")) == ["package.json", "static/style.js"]
    assert sorted(digests(opened / "console")) == ["assets/index.js", "manifest.json"]


def test_no_part_is_larger_than_was_asked_for(house: Path) -> None:
    sizes = [path.stat().st_size for path in house.glob("part-*.tar")]
    assert len(sizes) > 3
    assert max(sizes) <= MOST_BYTES


def test_parts_can_be_checked_with_the_systems_own_command(house: Path) -> None:
    command = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    subprocess.run(command, cwd=house, check=True)


def cut(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-1])


def turn_a_bit(part: Path) -> None:
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (Path.unlink, "part-02.tar is missing"),
        (cut, "part-02.tar has "),
        (turn_a_bit, "part-02.tar is damaged"),
    ],
)
def test_a_part_that_did_not_arrive_whole_is_named_and_nothing_is_used(
    house: Path, tmp_path: Path, harm: Callable[[Path], None], words: str
) -> None:
    harm(house / "part-02.tar")
    with pytest.raises(install.WheelhouseError, match=f"carry these over again: {words}"):
        install.open_parts(house, told_of(house), tmp_path / "opened")
    assert not (tmp_path / "opened").exists()


def test_what_was_opened_once_is_not_opened_again_until_the_wheelhouse_is_another(
    house: Path, tmp_path: Path
) -> None:
    opened = tmp_path / "opened"
    install.open_parts(house, told_of(house), opened)
    (opened / "wheels" / "small-1.whl").unlink()
    install.open_parts(house, told_of(house), opened)
    assert not (opened / "wheels" / "small-1.whl").exists()
    (house / install.LIST).write_text(json.dumps(told_of(house)))
    install.open_parts(house, told_of(house), opened)
    assert (opened / "wheels" / "small-1.whl").exists()


def test_another_python_is_told_which_one_and_how_to_go_on(house: Path) -> None:
    command = [sys.executable, str(house / "install.py"), "--check"]
    told = told_of(house)
    (house / install.LIST).write_text(json.dumps({**told, "python": "3.99"}))
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "is for CPython 3.99" in said.stderr
    assert "PYTHON=python3.99" in said.stderr
    assert f"PYTHON_VERSION={HERE}" in said.stderr


def test_the_least_python_is_that_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">={}.{}".format(*install.LEAST_PYTHON)


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [
        ("CPython", (3, 8, 10), r"CPython 3\.8\.10\..* needs CPython 3\.11 or newer$"),
        ("PyPy", (3, 12, 1), r"PyPy 3\.12\.1\..* needs CPython 3\.11 or newer$"),
        ("CPython", (3, 11, 2), r"for this one: make wheelhouse PYTHON_VERSION=3\.11$"),
    ],
)
def test_a_wheelhouse_for_this_python_is_proposed_only_where_sublet_runs_on_it(
    name: str, version: tuple[int, ...], words: str
) -> None:
    with pytest.raises(install.WheelhouseError, match=words):
        install.refuse_other_python({"python": "3.12"}, name, version)


def test_the_least_python_of_the_installer_is_that_of_the_package() -> None:
    project = tomllib.loads((gather.ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">={}.{}".format(*install.LEAST_PYTHON)


@pytest.mark.parametrize(
    ("machine", "glibc", "words"),
    [
        ("aarch64", (2, 39), "is for x86_64, and this machine is aarch64"),
        ("x86_64", (2, 17), r"wants glibc 2\.28 or newer, and this machine has glibc 2\.17"),
        ("x86_64", None, "this machine has no glibc"),
    ],
)
def test_a_machine_on_which_the_wheels_do_not_run_is_told_which_would(
    machine: str, glibc: tuple[int, int] | None, words: str
) -> None:
    told = {"platform": "manylinux_2_28_x86_64"}
    install.refuse_other_platform(told, "x86_64", (2, 28))
    with pytest.raises(install.WheelhouseError, match=words):
        install.refuse_other_platform(told, machine, glibc)


def test_a_checkout_that_wants_other_versions_is_told_so(house: Path, tmp_path: Path) -> None:
    for name in gather.MADE_OF:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(gather.ROOT / name, tmp_path / name)
    install.refuse_other_source(told_of(house), tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    with pytest.raises(install.WheelhouseError, match=r"pyproject\.toml differ"):
        install.refuse_other_source(told_of(house), tmp_path)


def test_what_the_targets_markers_ask_for_is_missed_whatever_python_downloads(
    tmp_path: Path,
) -> None:
    own = wheel(tmp_path, "own", "new; python_version >= '3.12'", "more; extra == 'more'")
    more = wheel(tmp_path, "more", "old; python_version < '3.12'", "windows; os_name == 'nt'")
    roots = [Requirement("own[more]")]
    for python, missing in (("3.11.2", {"old"}), ("3.12.1", {"new"})):
        (environment,) = gather.target_environments(python, "x86_64")
        assert gather.needed(roots, tmp_path, environment) == ({own, more}, missing)


def test_a_wheel_that_no_lock_names_is_refused(tmp_path: Path) -> None:
    known, strange = wheel(tmp_path, "known"), wheel(tmp_path, "strange")
    (tmp_path / "some.txt").write_text(f"known==1.0 \\\n    --hash=sha256:{digest_of(known)}\n")
    gather.refuse_unlocked({known}, tmp_path)
    with pytest.raises(gather.GatherError, match=r"no lock names .*: strange-1\.0"):
        gather.refuse_unlocked({known, strange}, tmp_path)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_python_without_a_patch_gets_the_versions_of_its_oldest_and_its_newest() -> None:
    oldest, newest = map(gather.constraints_for, gather.target_environments("3.11", "x86_64"))
    assert "soupsieve<2.8" in oldest.splitlines()
    assert "soupsieve<2.8" not in newest.splitlines()
    assert ";" not in oldest + newest


def test_wheels_of_older_platforms_run_on_newer_ones_and_not_the_other_way_round() -> None:
    tags = gather.platforms_of("manylinux_2_28_aarch64")
    assert tags[0] == "manylinux_2_28_aarch64"
    assert {"manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"} <= set(tags)
    assert "manylinux_2_34_aarch64" not in tags
    with pytest.raises(gather.GatherError, match="musllinux"):
        gather.platforms_of("musllinux_1_2_x86_64")
