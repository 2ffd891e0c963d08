"""A week's report as it is sent: a subject, plain text, HTML and JSON.

Names are whatever somebody is called. In text they take one line and move nothing on a terminal; in
HTML they are text, never tags. The HTML names no other address: nothing is fetched by who reads it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from sublet_quota.week_report.tables import (
    Section,
    Table,
    opening_of,
    sections_of,
    title_of,
    widths_of,
)
from sublet_quota.wire.schema import CONTROLS
from sublet_quota.wire.week import WeekReport

_STYLE: Final = (
    "body{font-family:sans-serif;margin:2em;color:#111;background:#fff}"
    "table{border-collapse:collapse;margin:0.5em 0 1em}"
    "th,td{border-bottom:1px solid #ccc;padding:0.2em 0.8em;text-align:right}"
    "th:first-child,td:first-child{text-align:left;min-width:11em}"
    "section{break-inside:avoid}"
)


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report in all its forms."""

    subject: str
    text: str
    html: str
    json: str


def written_report(report: WeekReport) -> WrittenReport:
    """Return a report in all its forms."""
    return WrittenReport(
        title_of(report), as_text(report), as_html(report), report.model_dump_json()
    )


def as_text(report: WeekReport) -> str:
    """Return a report as plain text, a line for each row."""
    lines = [title_of(report), *opening_of(report)]
    for section in sections_of(report):
        lines += ["", section.title, "-" * len(section.title)]
        for number, table in enumerate(section.tables):
            lines += [*([""] if number else []), *_text_of(table)]
    return "".join(f"{_one_line(line).rstrip()}\n" for line in lines)


def _text_of(table: Table) -> Iterator[str]:
    rows = [tuple(map(_one_line, row)) for row in table.rows]
    widths = widths_of(table.columns, rows)
    for first, *others in (table.columns, *rows):
        cells = (each.rjust(width) for each, width in zip(others, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells))


def _one_line(text: str) -> str:
    return CONTROLS.sub("?", text)


def as_html(report: WeekReport) -> str:
    """Return a report as a page of its own."""
    title = escape(title_of(report))
    opening = "".join(f"<p>{escape(_one_line(line))}</p>" for line in opening_of(report))
    sections = "".join(map(_html_of, sections_of(report)))
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{title}</h1>{opening}{sections}</body></html>\n"
    )


def _html_of(section: Section) -> str:
    tables = "".join(map(_html_of_table, section.tables))
    return f"<section><h2>{escape(_one_line(section.title))}</h2>{tables}</section>"


def _html_of_table(table: Table) -> str:
    body = "".join(_html_row(row, "td") for row in table.rows)
    return f"<table><thead>{_html_row(table.columns, 'th')}</thead><tbody>{body}</tbody></table>"


def _html_row(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(_one_line(each))}</{tag}>' for each in cells)}</tr>"
