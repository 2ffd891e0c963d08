"""Past days simulated under other quota documents: in a process of its own, within bounds.

The days are read from the service, as `sublet history export` reads them. The process may take so
much memory and so much time; what is beyond ends it, with words for what helps.
"""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Final

import click
from sublet_quota.closed_loop.outcome.past_question import IN_FORCE, past_question
from sublet_quota.closed_loop.outcome.question import NamedDocument, Question, answer
from sublet_quota.closed_loop.outcome.report import Report
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.errors import SubletQuotaError

from sublet_lab.command_line.simulation.figures_table import print_report
from sublet_lab.command_line.simulation.history_file import past_days_of
from sublet_lab.command_line.simulation.progress import told_progress
from sublet_lab.command_line.tables import plain, print_json, wants_json

_HISTORY: Final = "the hub's history"
_MIB: Final = 2**20
_LOOK_EACH_S: Final = 1.0
_END_WITHIN_S: Final = 5.0
_TOLD_EACH_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the process may take."""

    within_s: float
    memory_mib: int


@dataclass(frozen=True, slots=True)
class PastQuestion:
    """Which days, under which documents."""

    lines: tuple[str, ...]
    in_force: str
    other: tuple[str, str] | None
    """The name and text of the other document."""


def show_past(asked: PastQuestion, bounds: Bounds) -> None:
    """Print what the days would have been. ``click.ClickException`` where that is not known."""
    question = _question(asked)
    with told_progress(question) as passed:
        report = _in_a_process(asked, bounds, passed)
    if wants_json():
        print_json(report)
    else:
        print_report(report)


def _question(asked: PastQuestion) -> Question:
    days = past_days_of(_HISTORY, asked.lines)
    first = NamedDocument(IN_FORCE, _document(IN_FORCE, asked.in_force))
    second = None
    if asked.other is not None:
        name, text = asked.other
        name = f"{name} (2)" if name == IN_FORCE else name
        second = NamedDocument(name, _document(name, text))
    question = past_question(days, first, second, _HISTORY)
    return replace(question, cards_text=plain(question.cards_text))


def _document(name: str, text: str) -> QuotaDocument:
    try:
        return read_quota_document(text)
    except QuotaDocumentError as error:
        problems = "\n".join(plain(f"{name}: {each}") for each in error.problems)
        raise click.ClickException(problems) from error


def _in_a_process(
    asked: PastQuestion, bounds: Bounds, passed: Callable[[str, datetime], None]
) -> Report:
    ends_s = time.monotonic() + bounds.within_s
    with _process(asked, bounds) as told:
        while True:
            left_s = ends_s - time.monotonic()
            if left_s <= 0:
                message = (
                    f"it took longer than {bounds.within_s / 60:g} minutes: simulate fewer days, "
                    "or give it more --minutes"
                )
                raise click.ClickException(message)
            try:
                if not told.poll(min(left_s, _LOOK_EACH_S)):
                    continue
                word, *rest = told.recv()
            except (EOFError, OSError):
                word, rest = "ended", []
            match word:
                case "passed":
                    passed(*rest)
                case "report":
                    return Report.model_validate_json(rest[0])
                case "wrong":
                    raise click.ClickException(plain(rest[0]))
                case _:
                    message = (
                        f"the simulation ended without an answer; it may take {bounds.memory_mib} "
                        "MiB of memory: simulate fewer days, or give it more --memory"
                    )
                    raise click.ClickException(message)


@contextmanager
def _process(asked: PastQuestion, bounds: Bounds) -> Iterator[Connection]:
    """Run the simulation beside, and end it with the block."""
    context = multiprocessing.get_context("spawn")
    told, tells = context.Pipe(duplex=False)
    process = context.Process(target=_simulate, args=(asked, bounds, tells), daemon=True)
    process.start()
    tells.close()
    try:
        yield told
    finally:
        process.terminate()
        process.join(_END_WITHIN_S)
        if process.is_alive():
            process.kill()
            process.join()
        told.close()


def _simulate(asked: PastQuestion, bounds: Bounds, tells: Connection) -> None:
    """Answer the question, in the process of its own."""
    _, allowed = resource.getrlimit(resource.RLIMIT_AS)
    most = bounds.memory_mib * _MIB
    if allowed != resource.RLIM_INFINITY:
        most = min(most, allowed)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    # Its words come by the pipe alone.
    sys.tracebacklimit = 0
    last_s = 0.0

    def passed(run: str, now: datetime) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _TOLD_EACH_S:
            last_s = time.monotonic()
            tells.send(("passed", run, now))

    try:
        report = answer(_question(asked), passed)
        tells.send(("report", report.model_dump_json()))
    except (SubletQuotaError, click.ClickException) as error:
        tells.send(("wrong", str(error)))
    except MemoryError:
        tells.send(("memory",))
    finally:
        tells.close()
