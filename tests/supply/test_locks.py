"""The locks are fresh: they say what pyproject.toml and the constraints ask for, with hashes."""

import json
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import lock
import locked
import pytest
import sbom
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = list(sbom.environments())
locks = pytest.mark.parametrize("each", lock.LOCKS, ids=lambda each: each.name)


def contents(name: str) -> list[locked.Locked]:
    return locked.read((locked.FOLDER / f"{name}.txt").read_text())


@cache
def installations(name: str) -> list[tuple[dict[str, str], dict[str, locked.Locked]]]:
    """What is installed by a lock on each machine."""
    found = contents(name)
    return [(environment, locked.wanted(found, environment)) for environment in ENVIRONMENTS]


def holds(requirement: Requirement, environment: dict[str, str], *extras: str) -> bool:
    marker = requirement.marker
    return marker is None or any(
        marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras)
    )


def unmet(requirements: list[str], each: lock.Lock, *extras: str) -> list[str]:
    """The requirements that a lock does not meet on one of the machines."""
    problems = []
    wishes = list(map(Requirement, requirements))
    for environment, found in installations(each.name):
        for wish in wishes:
            there = found.get(canonicalize_name(wish.name))
            if holds(wish, environment, *extras) and (
                there is None or not wish.specifier.contains(there.version, prereleases=True)
            ):
                problems.append(f"{wish}: {there and there.version}")
    return problems


def test_there_is_a_file_for_each_lock_and_none_besides() -> None:
    assert {each.path for each in lock.LOCKS} == set(locked.FOLDER.glob("*.txt"))


@locks
def test_what_is_asked_for_is_locked(each: lock.Lock) -> None:
    assert unmet(list(each.wishes), each) == [], "make lock"


def test_the_zones_of_quota_documents_come_with_sublet() -> None:
    """Slim images have no zones of their own, and without any not even UTC is one."""
    assert "tzdata" in {Requirement(each).name for each in lock.PROJECT["dependencies"]}


@locks
def test_versions_are_those_of_the_constraints(each: lock.Lock) -> None:
    if each.constraints is None:
        return
    bounds = list(map(Requirement, uncommented(ROOT / each.constraints)))
    for environment, found in installations(each.name):
        for bound in bounds:
            there = found.get(canonicalize_name(bound.name))
            if there is not None and holds(bound, environment):
                assert bound.specifier.contains(there.version), "make lock"


def uncommented(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def test_what_is_locked_for_development_leads_to_nothing_else() -> None:
    """Of what is installed here in the version that is locked, all needs are locked, too."""
    (development,) = (each for each in lock.LOCKS if each.name == "development")
    looked_at, all_of_them = 0, contents(development.name)
    for each in all_of_them:
        try:
            installed = distribution(each.name)
        except PackageNotFoundError:
            continue
        if installed.version == str(each.version):
            looked_at += 1
            assert unmet(installed.requires or [], development) == []
    assert looked_at > len(all_of_them) / 2


@pytest.mark.parametrize(
    "line",
    [
        "click==8.1",
        "click>=8.1 --hash=sha256:" + "0" * 64,
        "click==8.* --hash=sha256:" + "0" * 64,
        "click @ https://example.org/click.whl --hash=sha256:" + "0" * 64,
        "--index-url https://example.org/simple",
        "--extra-index-url=https://example.org --hash=sha256:" + "0" * 64,
        "-r other.txt",
    ],
)
def test_a_line_that_is_no_version_with_its_hashes_is_refused(line: str) -> None:
    with pytest.raises(locked.LockError):
        locked.read(line + "\n")


def test_two_versions_for_one_machine_are_refused() -> None:
    digest = "0" * 64
    text = f"a==1 --hash=sha256:{digest}\na==2 ; python_version > '3' --hash=sha256:{digest}\n"
    with pytest.raises(locked.LockError, match="a is locked to 1 and 2"):
        locked.wanted(locked.read(text), ENVIRONMENTS[0])


def resolved(link: dict[str, Any]) -> str:
    return str(link["resolved"])


@pytest.mark.parametrize("name", sbom.NPM)
def test_npm_s_locks_have_hashes_and_no_address_of_a_registry(name: str) -> None:
    told = json.loads(sbom.NPM[name].read_text())["packages"]
    links = {path: each for path, each in told.items() if each.get("link")}
    packages = {p: each for p, each in told.items() if "node_modules/" in p and p not in links}
    assert [path for path, each in packages.items() if "integrity" not in each] == []
    assert [path for path, each in packages.items() if "resolved" in each] == []
    own = set(told) - set(packages) - set(links)
    assert own == {"", *told[""].get("workspaces", ())} == {"", *map(resolved, links.values())}
    for folder in sorted(own):
        wanted = json.loads((sbom.NPM[name].parent / folder / "package.json").read_text())
        for kind in ("dependencies", "devDependencies", "workspaces"):
            assert told[folder].get(kind, {}) == wanted.get(kind, {}), "npm install"


@pytest.mark.parametrize("script", ["create-venv", "create-hub-of-z2jh", "install-pytorch"])
def test_what_is_installed_by_the_network_is_installed_by_hash(script: str) -> None:
    text = (ROOT / ".ci" / script).read_text().replace("\\\n", " ")
    by_hash = [line for line in text.splitlines() if "--require-hashes" in line]
    assert by_hash
    assert all("--no-deps --only-binary=:all:" in line for line in by_hash)
