"""A plugin of pytest's that writes down how each test ended: ``-p tests.security.recording``.

Each test is one line of JSON in the file that ``SUBLET_OUTCOMES`` names. Where ``SUBLET_UNTIL`` is
``failed``, the run ends with the first test that fails: a mutant is noticed by then.
"""

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

OUTCOMES = "SUBLET_OUTCOMES"


UNTIL = "SUBLET_UNTIL"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _outcome(report) == os.environ.get(UNTIL):
        item.session.shouldfail = f"until one {report.outcome}"
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        told = {
            "test": report.nodeid,
            "outcome": _outcome(report),
            "why": _why(report),
            "took_s": report.duration,
        }
        with Path(os.environ[OUTCOMES]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")


def _outcome(report: pytest.TestReport) -> str:
    """``error`` is what failed around a test: it says nothing about what the test is for."""
    return "error" if report.failed and report.when != "call" else report.outcome


def _why(report: pytest.TestReport) -> str:
    said: Any = report.longrepr
    if isinstance(said, tuple):
        return str(said[2]).removeprefix("Skipped: ")
    crash = getattr(said, "reprcrash", None)
    return str(getattr(crash, "message", said or "")).partition("\n")[0]
