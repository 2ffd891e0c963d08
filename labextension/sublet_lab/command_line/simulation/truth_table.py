"""How true a simulation is, as a table: what was recorded beside the same days simulated."""

from collections.abc import Iterator, Sequence
from typing import Final

from sublet_quota.closed_loop.outcome.report import TightLimit, Truth, TruthLine

_WHAT, _GROUP, _FIGURE, _ERROR = 18, 20, 14, 9
_ENOUGH: Final = "twenty or more"


def truth_lines(truth: Truth) -> Iterator[str]:
    """Yield the lines: a figure each, by group."""
    worst = "no waits to judge" if truth.worst_wait is None else f"{truth.worst_wait:.1%} at most"
    yield ""
    yield f"How true this is of what happened; waits (of {_ENOUGH}): {worst}"
    heading = f"{'of group':<{_GROUP}}{'recorded':>{_FIGURE}}{'simulated':>{_FIGURE}}"
    yield f"  {'':<{_WHAT}}{heading}{'error':>{_ERROR}}"
    for line in truth.lines:
        figures = f"{_figure(line.real, line):>{_FIGURE}}{_figure(line.simulated, line):>{_FIGURE}}"
        yield f"  {line.what:<{_WHAT}}{_cut(line.group):<{_GROUP}}{figures}{_error(line):>{_ERROR}}"


def limit_lines(limits: Sequence[TightLimit]) -> Iterator[str]:
    """Yield the lines: which limits would have refused a hundredth of the hours."""
    yield ""
    yield "Limits that would have refused 1 % of the hours, in cards"
    yield f"  {'of group':<{_GROUP}}{'':<{_WHAT}}{'limit':>{_ERROR}}{'most held':>{_FIGURE}}"
    for each in limits:
        whose = "of each member" if each.of_each else "together"
        figures = f"{each.cards:>{_ERROR}.2f}{each.most:>{_FIGURE}.2f}"
        yield f"  {_cut(each.group):<{_GROUP}}{whose:<{_WHAT}}{figures}"


def _figure(figure: float, line: TruthLine) -> str:
    return f"{figure:.1f} {line.unit}" if line.unit else f"{figure:.0f}"


def _error(line: TruthLine) -> str:
    return "-" if line.error is None else f"{line.error:+.1%}" if line.error else "0"


def _cut(group: str | None) -> str:
    text = "no group" if group is None else group
    return text if len(text) < _GROUP else f"{text[: _GROUP - 4]}..."
