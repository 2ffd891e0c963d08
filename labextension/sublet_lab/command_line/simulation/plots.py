"""A simulation's report as a picture: waits by group, and hours by day, a colour a run.

Drawn by matplotlib, which the extra ``plots`` brings; the same report gives the same bytes as SVG.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sublet_quota.closed_loop.outcome.report import GroupWaits, Outcome, Report

_WAITS: Final = (("servers", "Servers wait"), ("cells", "Cells wait"), ("jobs", "Jobs wait"))
_PARTS: Final = (("used_h", "used"), ("lent_h", "lent"), ("idle_h", "idle"))
_SHADES: Final = (1.0, 0.6, 0.25)
_NO_GROUP: Final = "no group"
_LEAST_S: Final = 1.0
"""Shorter waits are drawn as long as this: the scale is logarithmic."""
_TICKS: Final = ((1, "1s"), (60, "1m"), (3600, "1h"), (86_400, "1d"), (604_800, "7d"))


def draw(report: Report, path: Path) -> None:
    """Write the picture of a report; the name's end says in which form. ``OSError``."""
    with mpl.rc_context({"svg.hashsalt": "sublet", "font.size": 9}):
        figure = Figure(figsize=(12, 8), layout="constrained")
        FigureCanvasAgg(figure)
        days = "1 day" if report.days == 1 else f"{report.days:g} days"
        figure.suptitle(f"{days} from {report.begins:%Y-%m-%d}, {report.cards}")
        rows: Any = figure.subfigures(2, 1)
        for axes, (what, title) in zip(rows[0].subplots(1, 3), _WAITS, strict=True):
            _draw_waits(axes, report.outcomes, what, title)
        handles, names = rows[0].axes[0].get_legend_handles_labels()
        rows[0].legend(handles, names, loc="outside upper center", ncols=len(names) or 1)
        _draw_days(rows[1].subplots(1, 1), report.outcomes)
        is_svg = path.suffix.lower() == ".svg"
        figure.savefig(path, metadata={"Date": None} if is_svg else None)


def _draw_waits(axes: Any, outcomes: Sequence[Outcome], what: str, title: str) -> None:
    """Draw of each group and run how long half, 95 and 99 of a hundred waited at most."""
    found = {name: _named(outcome.waits) for name, outcome in _by_name(outcomes)}
    groups = sorted({group for waits in found.values() for group in waits})
    for place, (name, waits) in enumerate(found.items()):
        label = name
        for row, group in enumerate(groups):
            told = getattr(waits[group], what) if group in waits else None
            if told is None or not told.count:
                continue
            height = row + (place - (len(found) - 1) / 2) * 0.8 / len(found)
            seconds = [max(_LEAST_S, each) for each in (told.half_s, told.of_95_s, told.of_99_s)]
            axes.plot(seconds, [height] * 3, "o-", color=f"C{place}", markersize=3, label=label)
            label = "_"
    axes.set_title(f"{title}: half, 95 %, 99 % no longer than")
    axes.set_yticks(range(len(groups)), groups)
    axes.set_xscale("log")
    axes.set_xlim(_LEAST_S * 0.8, _TICKS[-1][0])
    axes.set_xticks([seconds for seconds, _ in _TICKS], [word for _, word in _TICKS])
    axes.minorticks_off()
    axes.grid(axis="x", alpha=0.3)


def _draw_days(axes: Any, outcomes: Sequence[Outcome]) -> None:
    """Draw of each day and run what servers held: used, lent and idle, one upon the other."""
    width = 0.8 / len(outcomes)
    for place, (name, outcome) in enumerate(_by_name(outcomes)):
        at = [each.day + (place - (len(outcomes) - 1) / 2) * width for each in outcome.by_day]
        below = [0.0] * len(at)
        for (part, word), shade in zip(_PARTS, _SHADES, strict=True):
            hours = [getattr(each, part) for each in outcome.by_day]
            label = f"{name}: {word}"
            axes.bar(at, hours, width, bottom=below, color=f"C{place}", alpha=shade, label=label)
            below = [low + more for low, more in zip(below, hours, strict=True)]
    axes.set_title("Hours on cards that notebooks held, by day")
    axes.set_xlabel("day")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(ncols=len(outcomes), fontsize="small")


def _by_name(outcomes: Sequence[Outcome]) -> list[tuple[str, Outcome]]:
    return [(each.name, each) for each in outcomes]


def _named(waits: Sequence[GroupWaits]) -> dict[str, GroupWaits]:
    return {each.group or _NO_GROUP: each for each in waits}
