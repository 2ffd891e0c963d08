"""Published traces as scenarios' requests, from a folder outside the repository.

``SUBLET_TRACES`` names the folder; by default it is ``shared/data`` beside the repository. Nothing
of it is copied here. Bursts of notebooks: NotebookOS (ASPLOS'26); jobs: Alibaba's openb (2023).
"""

import csv
import os
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from sublet_quota.closed_loop.asks.asked import Asked
from sublet_quota.closed_loop.asks.published.reading import Taken, format_of, read_published
from sublet_quota.shares.lots import lot_of

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("SUBLET_TRACES", ROOT.parent / "shared" / "data"))
BURSTS = FOLDER / "notebook_gpu_bursts" / "sensei_sessions_derived.csv"
PODS = FOLDER / "openb" / "openb_pod_list_default.csv"
MISSING = f"no traces in {FOLDER}: SUBLET_TRACES names the folder"


def group_of(name: str, groups: tuple[str, ...]) -> str:
    """The group that somebody is put into: always the same one."""
    return groups[lot_of(name) % len(groups)]


def sessions(  # noqa: PLR0913 - a builder
    begins: datetime,
    first_day: int,
    days: int,
    groups: tuple[str, ...],
    part: Fraction,
    *,
    one_gpu: bool = False,
) -> tuple[Asked, ...]:
    """Notebooks' sessions with bursts in some days of the trace, each of a part of a card.

    ``one_gpu``: those alone that never had more than one GPU.
    """
    with BURSTS.open(newline="") as lines:
        found = format_of(next(lines))
        assert found is not None, f"the heading of {BURSTS} is another"
        lines.seek(0)
        rows = _of_one_gpu(lines.read().splitlines(keepends=True)) if one_gpu else lines
        return read_published(found, rows, Taken(begins, groups, part, first_day, days))


def _of_one_gpu(lines: list[str]) -> Iterator[str]:
    """The rows of the sessions that have one GPU in all their bursts, below the heading."""
    rows = list(csv.DictReader(lines))
    larger = {row["session_id"] for row in rows if row["num_gpu"] != "1"}
    yield lines[0]
    for line, row in zip(lines[1:], rows, strict=True):
        if row["session_id"] not in larger:
            yield line


def job_rows(most: int, from_s: float, until_s: float, groups: tuple[str, ...]) -> Iterator[str]:
    """A table of jobs, as ``read_trace`` reads it: pods of at most one card between two times."""
    yield "arrival,owner,group,duration,size"
    found = 0
    with PODS.open(newline="") as lines:
        for row in csv.DictReader(lines):
            at, ended = float(row["creation_time"]), float(row["deletion_time"] or 0)
            fits = row["num_gpu"] == "1" and from_s <= at < until_s and ended > at
            if not fits or found == most:
                continue
            found += 1
            owner = f"user-{lot_of(row['name']) % 40}"
            size = Fraction(int(row["gpu_milli"]), 1000)
            group, lasts = group_of(owner, groups), min(ended - at, 86_400)
            yield f"{at - from_s},{owner},{group},{lasts},{size}"
