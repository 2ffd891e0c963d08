"""Published traces as scenarios' requests, from a folder outside the repository.

``SUBLET_TRACES`` names the folder; by default it is ``shared/data`` beside the repository. Nothing
of it is copied here. Bursts of notebooks: NotebookOS (ASPLOS'26); jobs: Alibaba's openb (2023).
"""

import csv
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from sublet_quota.closed_loop.asks.asked import AskedServer, Cell
from sublet_quota.shares.lots import lot_of

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("SUBLET_TRACES", ROOT.parent / "shared" / "data"))
BURSTS = FOLDER / "notebook_gpu_bursts" / "sensei_sessions_derived.csv"
PODS = FOLDER / "openb" / "openb_pod_list_default.csv"
MISSING = f"no traces in {FOLDER}: SUBLET_TRACES names the folder"

Bursts = tuple[tuple[float, float], ...]
"""When each began, in minutes, and how many it lasted."""


@dataclass(frozen=True)
class Kind:
    """Who pays for a session, and which part of a card it asks for."""

    group: str
    part: Fraction


def group_of(name: str, groups: tuple[str, ...]) -> str:
    """The group that somebody is put into: always the same one."""
    return groups[lot_of(name) % len(groups)]


def sessions(
    begins: datetime, first_day: int, days: int, groups: tuple[str, ...], part: Fraction
) -> tuple[AskedServer, ...]:
    """Notebooks' sessions with bursts in some days of the trace, each of a part of a card."""
    first, last = first_day * 1440.0, (first_day + days) * 1440.0
    of_session: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    with BURSTS.open(newline="") as lines:
        for row in csv.DictReader(lines):
            at, lasted = float(row["start_min"]), float(row["duration_min"])
            if first <= at and at + lasted <= last:
                of_session[row["session_id"]].append((at, lasted))
    return tuple(
        _server(
            f"session-{name}",
            tuple(sorted(bursts)),
            begins - timedelta(minutes=first),
            Kind(group_of(name, groups), part),
        )
        for name, bursts in of_session.items()
    )


def _server(name: str, bursts: Bursts, zero: datetime, kind: Kind) -> AskedServer:
    """One session; ``zero``: when the trace's own time begins."""
    gaps = [max(0.0, after[0] - sum(before)) for before, after in pairwise(bursts)]
    cells = [
        Cell(timedelta(minutes=gap), timedelta(minutes=lasted))
        for gap, (_, lasted) in zip([0.0, *gaps], bursts, strict=True)
    ]
    return AskedServer(
        name=name,
        at=zero + timedelta(minutes=bursts[0][0]),
        owner=name,
        groups=(kind.group,),
        cards=kind.part,
        cells=tuple(cells),
        stays=timedelta(minutes=30),
        patience=timedelta(hours=12),
    )


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
