"""Rights as lines to be told: what it is, how much, and where the document says so.

Share, command line and ``sublet quota diff`` show these same lines.
"""

from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from typing import Any, Final

from sublet_quota.amounts.gpu_amounts import format_cards, format_memory
from sublet_quota.document.problems import written_path
from sublet_quota.document.rights import PayerRights, PersonLimit, Right, Rights
from sublet_quota.wire.share import RightLine

_NO_LIMIT: Final = "no limit"
_NOBODY_SAYS: Final = "when nobody says"
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def tell_rights(rights: Rights) -> tuple[RightLine, ...]:
    """Return a person's rights as lines: whoever pays first, then by the group that does."""
    return tuple(_lines(rights))


def _lines(rights: Rights) -> Iterator[RightLine]:
    yield from _limits("limit of ", rights.limit)
    if rights.job_limit is not None:
        yield from _limits("limit of running jobs: ", rights.job_limit)
    yield _line("most jobs", rights.jobs_most, None, _count(rights.jobs_most.value))
    kept = _duration(rights.keep_a_day.value)
    yield _line("slices kept a day", rights.keep_a_day, None, kept)
    for payer in rights.payers:
        yield from _of_payer(payer)


def _of_payer(payer: PayerRights) -> Iterator[RightLine]:
    yield _line("sizes", payer.sizes, payer.group, _names(payer.sizes.value))
    yield _line("GPU types", payer.types, payer.group, _names(payer.types.value))
    own_amounts = "yes" if payer.own_amounts.value else "no"
    yield _line("own amounts", payer.own_amounts, payer.group, own_amounts)
    yield _line("GPU types of jobs", payer.job_types, payer.group, _names(payer.job_types.value))
    longest = _duration(payer.job_max_run.value)
    yield _line("longest run of a job", payer.job_max_run, payer.group, longest)


def _limits(what: str, limit: PersonLimit) -> Iterator[RightLine]:
    for name in sorted(limit.types):
        right = limit.types[name]
        yield _line(f"{what}{name}", right, None, _cards(right.value))
    yield _line(f"{what}cards", limit.cards, None, _cards(limit.cards.value))
    yield _line(f"{what}memory", limit.memory, None, _memory(limit.memory.value))
    yield _line(f"{what}slices", limit.slices, None, _count(limit.slices.value))


def _line(what: str, right: Right[Any], group: str | None, value: str) -> RightLine:
    source = right.source
    return RightLine(
        right=what,
        value=value,
        source=written_path(source.path) if source.path else _NOBODY_SAYS,
        line=source.line,
        group=group,
    )


def _names(names: frozenset[Any] | None) -> str:
    if names is None:
        return "all"
    return ", ".join(sorted(names)) or "none"


def _cards(cards: Fraction | None) -> str:
    return _NO_LIMIT if cards is None else format_cards(float(cards))


def _memory(mib: int | None) -> str:
    return _NO_LIMIT if mib is None else format_memory(mib)


def _count(count: int | None) -> str:
    return _NO_LIMIT if count is None else str(count)


def _duration(length: timedelta) -> str:
    """Return a time in the largest unit that says it exactly: ``90 min``."""
    seconds = length.total_seconds()
    for unit_s, unit in _UNITS:
        if seconds and seconds % unit_s == 0:
            return f"{int(seconds // unit_s)} {unit}"
    return f"{seconds:g} s"
