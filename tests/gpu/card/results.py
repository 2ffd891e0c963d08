"""What the parts have seen, as JSON: one file a part, and one report of all of them."""

import json
import xml.etree.ElementTree as ET
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from tests.gpu.card.parts import Part

_MOST_OUTPUT: Final = 20_000


class Status(StrEnum):
    """How a part ended."""

    PASSED = "passed"
    FAILED = "failed"
    STOPPED = "stopped"
    """It ran beyond its limit. What it had by then is kept, and it is run again the next time."""


@dataclass(frozen=True, slots=True)
class Result:
    """One part's piece of the report."""

    part: str
    title: str
    status: Status
    device: str
    began_at: str
    took_s: float
    limit_s: float
    exit_code: int
    processes_left: int
    command: list[str]
    tests: list[dict[str, str]] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    output: str = ""
    """The end of what the part said."""


def result_file(report: Path, part: str) -> Path:
    """Return where a part's result lies."""
    return report / part / "result.json"


def read_result(report: Path, part: str) -> Result | None:
    """Return the result of a part that has been run, or ``None``."""
    try:
        told = json.loads(result_file(report, part).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Result(**{**told, "status": Status(told["status"])})


def write_result(report: Path, result: Result) -> None:
    """Keep a part's result, whole or not at all."""
    path = result_file(report, result.part)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(result), indent=1), encoding="utf-8")
    new.replace(path)


def collect(part: Part, folder: Path) -> dict[str, Any]:
    """Return what a part has left in its folder, as fields of its result."""
    output = (folder / "output.txt").read_text(encoding="utf-8", errors="replace")
    return {
        "part": part.name,
        "title": part.title,
        "tests": _tests_in(folder / "tests.xml"),
        "figures": _lines_in(folder / "figures.json", "figures"),
        "answers": _lines_in(folder / "probe.json", "answers"),
        "output": output[-_MOST_OUTPUT:],
    }


def write_report(report: Path, machine: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    """Join machine and results to one file; returns what is in it."""
    results = [read_result(report, name) for name in parts]
    told = {"machine": machine, "parts": [asdict(each) for each in results if each is not None]}
    (report / "report.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    return told


def _lines_in(path: Path, key: str) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return list(json.loads(path.read_text(encoding="utf-8"))[key])


def _tests_in(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    found = []
    for case in ET.parse(path).iter("testcase"):  # noqa: S314 - written by our own pytest
        verdict, why = "passed", ""
        for kind in ("failure", "error", "skipped"):
            told = case.find(kind)
            if told is not None:
                verdict, why = kind, (told.get("message") or "")[:2000]
        figures = {p.get("name", ""): p.get("value", "") for p in case.iter("property")}
        line = {"test": case.get("name", ""), "verdict": verdict, "took_s": case.get("time", "")}
        found.append({**line, "why": why, **figures})
    return found
