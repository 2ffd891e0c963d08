"""The story as a picture: a row a slice, its state by colour and hatching.

Below it GPU memory, and who had how much of the GPU's time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sublet_hub.one_machine.demo.record import Record

_JOB = "training job"
_USE_OVER_S: Final = 2.0
_LOOKS = {
    "computing": ("#2a9d8f", ""),
    "idle on the GPU": ("#b7d7cf", ""),
    "waiting": ("#f4a261", "//"),
    "paused": ("#e9c46a", ".."),
    "moving": ("#6d597a", "xx"),
    "suspended": ("#adb5bd", "\\\\"),
}


@dataclass(slots=True)
class Stretch:
    """A time in which a slice did one thing, in seconds of the record."""

    slice_id: str
    look: str
    from_s: float
    until_s: float


def look_of(view: dict[str, Any]) -> str:
    """Return a word for what a slice does in a sample."""
    if view["moving"]:
        return "moving"
    if view["state"] == "suspended":
        return "waiting" if view["active"] and view["holder"] == "notebook" else "suspended"
    if view["state"] == "paused":
        return "paused"
    if not view["active"]:
        return "idle on the GPU"
    return "computing" if view["gate_open"] else "waiting"


def _name(view: dict[str, Any], others: set[str]) -> str:
    """Return the name of a row. The job is run a second time, with nobody to disturb it."""
    if view["holder"] != "job":
        return f"{view['owner']}'s notebook"
    return _JOB if _JOB not in others else "the same, undisturbed"


def stretches_of(samples: Sequence[dict[str, Any]]) -> list[Stretch]:
    """Return the samples joined where they follow each other alike.

    A bar a sample takes seconds to draw.
    """
    found: list[Stretch] = []
    last: dict[str, Stretch] = {}
    for now, after in pairwise(samples):
        for view in now["slices"]:
            slice_id, look = view["slice_id"], look_of(view)
            before = last.get(slice_id)
            if before is None or (before.look, before.until_s) != (look, now["at_s"]):
                before = last[slice_id] = Stretch(slice_id, look, now["at_s"], now["at_s"])
                found.append(before)
            before.until_s = after["at_s"]
    return found


def draw_timeline(record: Record, path: Path) -> None:
    """Draw the record's samples and give-backs into an SVG file."""
    mpl.rcParams["svg.hashsalt"] = "sublet"
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    rows, memory, use = figure.subplots(3, 1, sharex=True, height_ratios=(4, 2, 1.5))
    names: dict[str, str] = {}
    for sample in record.samples:
        for view in sample["slices"]:
            if view["slice_id"] not in names:
                names[view["slice_id"]] = _name(view, set(names.values()))
    order = {slice_id: row for row, slice_id in enumerate(names)}
    for stretch in stretches_of(record.samples):
        colour, hatch = _LOOKS[stretch.look]
        rows.barh(
            order[stretch.slice_id],
            stretch.until_s - stretch.from_s,
            left=stretch.from_s,
            color=colour,
            hatch=hatch,
            edgecolor=colour if not hatch else "#5c5c5c",
            linewidth=0,
            height=0.7,
        )
    for number, each in enumerate(record.give_backs):
        rows.annotate(
            f"{each.owner} back\nin {each.wait_s:.2f} s",
            (each.at_s, -0.5),
            # Side by side: two may follow each other closely.
            ha="left" if number % 2 else "right",
            va="bottom",
            fontsize=8,
        )
        for axes in (rows, memory, use):
            axes.axvline(each.at_s, color="#c1121f", linewidth=0.8, linestyle="--")
    rows.set_yticks(list(order.values()), [names[slice_id] for slice_id in order])
    rows.invert_yaxis()
    rows.legend(
        handles=[
            Patch(facecolor=colour, hatch=hatch, label=word, edgecolor="#5c5c5c")
            for word, (colour, hatch) in _LOOKS.items()
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, 1.25),
        ncols=6,
        frameon=False,
    )
    _draw_memory(record, memory, names)
    _draw_use(record, use, names)
    figure.savefig(path, metadata={"Date": None})


def _draw_memory(record: Record, axes: Any, names: dict[str, str]) -> None:
    times = [sample["at_s"] for sample in record.samples]
    held = [
        [
            sum(v["memory_mib"] for v in sample["slices"] if v["slice_id"] == slice_id) / 1024
            for sample in record.samples
        ]
        for slice_id in names
    ]
    if held:
        axes.stackplot(times, held, labels=[names[slice_id] for slice_id in names], alpha=0.85)
        axes.legend(loc="upper left", fontsize=8, ncols=5)
    total = record.facts.get("gpu_memory_mib", 0) / 1024
    axes.axhline(total, color="black", linewidth=0.8)
    axes.set_ylim(0, total * 1.25 or 1)
    axes.set_ylabel("GPU memory, GiB")


def parts_of_time(
    samples: Sequence[dict[str, Any]], slice_ids: Sequence[str]
) -> tuple[list[float], list[list[float]]]:
    """Return times, and the part of the GPU's time that each slice had up to each of them.

    Each part is of ``_USE_OVER_S`` or a sample more: what is told of use comes once a second.
    """
    times: list[float] = []
    parts: list[list[float]] = [[] for _ in slice_ids]
    first = 0
    for number, sample in enumerate(samples):
        while samples[first + 1]["at_s"] <= sample["at_s"] - _USE_OVER_S:
            first += 1
        passed_ms = 1000 * (sample["at_s"] - samples[first]["at_s"])
        if number == first or passed_ms < 1000 * _USE_OVER_S:
            continue
        before, now = (_busy_ms(each) for each in (samples[first], sample))
        times.append(sample["at_s"])
        for slice_id, of_slice in zip(slice_ids, parts, strict=True):
            # A slice that was not there before has been counted from nothing.
            used_ms = now.get(slice_id, 0) - before.get(slice_id, 0)
            of_slice.append(min(1.0, max(0.0, used_ms / passed_ms)))
    return times, parts


def _busy_ms(sample: dict[str, Any]) -> dict[str, int]:
    return {view["slice_id"]: view["gpu_busy_ms"] for view in sample["slices"]}


def _draw_use(record: Record, axes: Any, names: dict[str, str]) -> None:
    times, parts = parts_of_time(record.samples, list(names))
    if times:
        percents = [[100 * part for part in of_slice] for of_slice in parts]
        axes.stackplot(times, percents, alpha=0.85)
    axes.set_ylim(0, 110)
    axes.set_ylabel("GPU time, %")
    axes.set_xlabel("seconds")
