"""Ask whether faults are known of what the locks name: ``pip-audit`` and ``npm audit``.

Both ask public sources of advisories. Where none is reached nothing is known, and that is said: not
audited. ``--required`` (for a release) then fails. A fault that is known always fails.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

from locked import FOLDER
from sbom import NPM, ROOT

ADVISORIES: Final = "https://pypi.org/pypi/pip/24.0/json"
"""One of the pages that pip-audit reads, to see whether it can: mirrors often have none."""
_NAMED: Final = 3
"""Of how many packages it is said by name that nothing is told."""
_PATIENCE_S: Final = 10.0
_MOST_S: Final = 300.0


class Outcome(Enum):
    """What is known after asking."""

    CLEAN = auto()
    FAULTS = auto()
    NOT_ASKED = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer about one lock."""

    name: str
    outcome: Outcome
    words: str


def no_advisories_of_pypi() -> str | None:
    """Return why PyPI's advisories cannot be read here, or None."""
    try:
        with urlopen(ADVISORIES, timeout=_PATIENCE_S) as page:
            told = json.load(page)
    except (URLError, OSError, ValueError) as error:
        return f"{ADVISORIES}: {getattr(error, 'reason', None) or error}"
    return None if "vulnerabilities" in told else f"{ADVISORIES} tells of no advisories"


def judge_npm(name: str, text: str) -> Verdict:
    """Judge what ``npm audit --json`` said."""
    try:
        told: dict[str, Any] = json.loads(text)
    except ValueError:
        return Verdict(name, Outcome.NOT_ASKED, "npm audit gave no answer")
    if "metadata" not in told:
        error = told.get("error") or {}
        why = error.get("summary") or told.get("message") or "npm audit gave no answer"
        return Verdict(name, Outcome.NOT_ASKED, str(why).splitlines()[0])
    faults = sorted(told.get("vulnerabilities") or {})
    if faults:
        return Verdict(name, Outcome.FAULTS, ", ".join(faults))
    return Verdict(name, Outcome.CLEAN, "no fault is known")


def judge_pip(name: str, text: str, errors: str) -> Verdict:
    """Judge what ``pip-audit --format=json`` said."""
    try:
        told: list[dict[str, Any]] = json.loads(text)["dependencies"]
    except (ValueError, KeyError):
        why = errors.strip().splitlines()[-1:] or ["pip-audit gave no answer"]
        return Verdict(name, Outcome.NOT_ASKED, why[0])
    skipped = [each["name"] for each in told if "skip_reason" in each]
    faults = [
        f"{each['name']} {each['version']}: {fault['id']}"
        for each in told
        for fault in each.get("vulns", ())
    ]
    if faults:
        return Verdict(name, Outcome.FAULTS, ", ".join(faults))
    if skipped:
        some = ", ".join(skipped[:_NAMED])
        words = f"nothing is told of {len(skipped)} of {len(told)} packages, such as {some}"
        return Verdict(name, Outcome.NOT_ASKED, words)
    return Verdict(name, Outcome.CLEAN, "no fault is known")


def of_pypi() -> Iterator[Verdict]:
    """Ask about each of pip's locks."""
    names = sorted(FOLDER.glob("*.txt"))
    why = no_advisories_of_pypi()
    if why is not None:
        yield from (Verdict(lock.stem, Outcome.NOT_ASKED, why) for lock in names)
        return
    with tempfile.TemporaryDirectory(prefix="sublet-audit-") as made:
        python = Path(made) / "environment" / "bin" / "python"
        why = _install_tools(python)
        if why is not None:
            yield from (Verdict(lock.stem, Outcome.NOT_ASKED, why) for lock in names)
            return
        for lock in names:
            command = [str(python.with_name("pip-audit")), "--format=json", "--disable-pip"]
            said = _run([*command, "--require-hashes", f"--requirement={lock}"], ROOT)
            yield judge_pip(lock.stem, said.stdout, said.stderr)


def _install_tools(python: Path) -> str | None:
    """Make an environment with pip-audit in it, or return why there is none."""
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
    try:
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        subprocess.run(
            [*pip, "--require-hashes", f"--requirement={FOLDER / 'tools.txt'}"], check=True
        )
    except (subprocess.CalledProcessError, OSError) as error:
        return f"pip-audit cannot be installed: {error}"
    return None


def of_npm() -> Iterator[Verdict]:
    """Ask about each of npm's locks."""
    for name, lock in NPM.items():
        said = _run(["npm", "audit", "--json", "--package-lock-only"], lock.parent)
        yield judge_npm(name, said.stdout)


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_MOST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {_MOST_S:.0f} s")


def main() -> int:
    """Ask about all locks, and say what is known of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--required", action="store_true", help="fail where nothing was asked")
    failing = {Outcome.FAULTS}
    if parser.parse_args().required:
        failing.add(Outcome.NOT_ASKED)
    words = {
        Outcome.CLEAN: "clean",
        Outcome.FAULTS: "FAULTS ARE KNOWN",
        Outcome.NOT_ASKED: "not audited",
    }
    failed = False
    for verdict in (*of_pypi(), *of_npm()):
        print(f"{verdict.name}: {words[verdict.outcome]}: {verdict.words}", flush=True)
        failed = failed or verdict.outcome in failing
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
