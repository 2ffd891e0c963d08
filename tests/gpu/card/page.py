"""The report as one page that needs nothing else, for people."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
td, th { border: 1px solid #ccc; padding: .25rem .6rem; text-align: left; vertical-align: top; }
td.number { text-align: right; } pre { background: #f4f4f4; overflow: auto; padding: .6rem; }
.failed, .stopped, .failure, .error, .hung { color: #a00; font-weight: 600; }
.passed { color: #060; }
"""


def make_page(told: dict[str, Any]) -> str:
    """Return the page of a report."""
    machine, parts = told["machine"], told["parts"]
    simulated = machine["device"] == "simulated"
    pieces = [
        "<h1>Sublet on a card</h1>",
        "<p><b>The device is SIMULATED: no figure here is a card's.</b></p>" if simulated else "",
        _table(("", ""), _flat(machine)),
        "<h2>Parts</h2>",
        _table(
            ("part", "what", "how it ended", "seconds", "limit"),
            (
                (p["part"], p["title"], p["status"], f"{p['took_s']:.1f}", f"{p['limit_s']:.0f}")
                for p in parts
            ),
        ),
        *(piece for part in parts for piece in _of_part(part)),
    ]
    body = "\n".join(pieces)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sublet on a card</title>'
        f"<style>{_STYLE}</style><body>{body}</body></html>\n"
    )


def _of_part(part: dict[str, Any]) -> Iterable[str]:
    yield f"<h2>{escape(part['title'])}</h2>"
    if part["processes_left"]:
        yield f"<p>{part['processes_left']} of its processes were left, and killed.</p>"
    if part["figures"]:
        yield _table(
            ("what", "value", "unit", "how"),
            ((f["name"], f["value"], f["unit"], f.get("how", "")) for f in part["figures"]),
        )
    if part["answers"]:
        yield _table(
            ("question", "verdict", "what was seen", "done", "seconds"),
            (
                (a["question"], a["verdict"], _words(a["seen"]), a["done"], f"{a['seconds']:.2f}")
                for a in part["answers"]
            ),
        )
    if part["tests"]:
        yield _table(
            ("test", "verdict", "why", "seconds"),
            ((t["test"], t["verdict"], t["why"], t["took_s"]) for t in part["tests"]),
        )
    yield f"<details><summary>what it said</summary><pre>{escape(part['output'])}</pre></details>"


def _flat(told: dict[str, Any], before: str = "") -> Iterable[tuple[str, str]]:
    for key, value in told.items():
        name = f"{before}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{name}: ")
        elif isinstance(value, list):
            for number, each in enumerate(value):
                yield from _flat(each, f"{name} {number}: ")
        else:
            yield name, str(value)


def _words(seen: Any) -> str:
    if isinstance(seen, dict):
        return "; ".join(f"{key}: {_words(value)}" for key, value in seen.items())
    return ", ".join(map(_words, seen)) if isinstance(seen, list) else str(seen)


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["<table>"]
    if any(heads):
        lines.append("<tr>" + "".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr>")
    for row in rows:
        cells = (f'<td class="{_class_of(each)}">{escape(str(each))}</td>' for each in row)
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return "\n".join([*lines, "</table>"])


def _class_of(cell: object) -> str:
    text = str(cell)
    if text in {"failed", "stopped", "failure", "error", "hung", "passed"}:
        return text
    return "number" if text.replace(".", "", 1).isdigit() else ""
