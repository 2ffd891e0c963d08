"""The process that simulates past days: ``python -m`` this module, with its bounds.

It is the first that the kernel ends where memory runs short, and computes when nobody else does.
"""

import contextlib
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import BaseModel
from sublet_quota.closed_loop.history.past_days import read_past_days
from sublet_quota.closed_loop.outcome.past_preview import preview_past, progress_of
from sublet_quota.closed_loop.outcome.past_question import IN_FORCE, past_question
from sublet_quota.closed_loop.outcome.question import NamedDocument, Question
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.reading import read_quota_document
from sublet_quota.errors import SubletQuotaError
from sublet_quota.wire.history import HistoryDay

from sublet_hub.usage.past_preview.protocol import Asked, OutOfMemory, Passed, Report, Wrong

OTHER: Final = "the draft"
_HISTORY: Final = "the hub's history"
_LAST: Final = 19
_MIB: Final = 2**20
_TOLD_EACH_S: Final = 0.5
_FIRST_TO_GO: Final = "1000"


def main(memory_mib: int, cpu_s: int) -> None:
    """Answer the question on standard input, within so much memory and so much computing."""
    _bind(memory_mib, cpu_s)
    out = sys.stdout.buffer
    try:
        question, days = _question(sys.stdin.buffer)
        _tell(out, Report(report=preview_past(question, days, _telling(out, question))))
    except MemoryError:
        _tell(out, OutOfMemory(needed_more_than_mib=memory_mib))
    except QuotaDocumentError as error:
        _tell(out, Wrong(wrong="; ".join(map(str, error.problems))))
    except SubletQuotaError as error:
        _tell(out, Wrong(wrong=str(error)))


def _bind(memory_mib: int, cpu_s: int) -> None:
    os.nice(_LAST)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    bounds = (
        (resource.RLIMIT_AS, memory_mib * _MIB),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
    )
    for what, wanted in bounds:
        _, allowed = resource.getrlimit(what)
        most = wanted if allowed == resource.RLIM_INFINITY else min(wanted, allowed)
        resource.setrlimit(what, (most, most))


def _question(sent: BinaryIO) -> tuple[Question, int]:
    asked = Asked.model_validate_json(sent.readline())
    first = NamedDocument(IN_FORCE, read_quota_document(asked.in_force))
    second = NamedDocument(OTHER, read_quota_document(asked.other))
    days = read_past_days(_lines(sent))
    return past_question(days, first, second, _HISTORY), asked.days


def _lines(sent: BinaryIO) -> Iterator[str]:
    for day in sent:
        yield from HistoryDay.model_validate_json(day).lines


def _telling(out: BinaryIO, question: Question) -> Callable[[str, datetime], None]:
    part, last_s = progress_of(question), 0.0

    def passed(run: str, now: datetime) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _TOLD_EACH_S:
            last_s = time.monotonic()
            _tell(out, Passed(part=part(run, now)))

    return passed


def _tell(out: BinaryIO, told: BaseModel) -> None:
    out.write(told.model_dump_json().encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    # Who listens may be gone: then nobody wants to know.
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main(*map(int, sys.argv[1:]))
    os._exit(0)
