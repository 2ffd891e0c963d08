"""A refusal, made of a specific code and its facts.

Whoever decides gives the code and the facts that its sentence names; the coarse reason, the words
and the numbers for programs follow from the code's row. Each subject has its codes and their rows
in a module of its own here. No row names another user than the one who asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from string import Formatter

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.errors import ReasonError
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.reasons.refusals.facts import Fact, written


@dataclass(frozen=True, slots=True)
class Row:
    """The coarse reason and the words of a code."""

    reason: RefusalReason
    sentence: str
    """A template of facts by their names; ``facts`` says how each is written."""
    numbers: tuple[str, ...] = ()
    """The facts that programs are told as numbers; an amount is two, ``_mib`` and ``_milli``."""


class RefusalCode(Enum):
    """A specific reason to refuse; a subclass has those of one subject, with their rows."""

    _value_: Row


@cache
def facts_of(code: RefusalCode) -> frozenset[str]:
    """Return the names of the facts that a code needs."""
    row = code.value
    named = {name for _, name, _, _ in Formatter().parse(row.sentence) if name}
    return frozenset(named.union(row.numbers))


def refuse(code: RefusalCode, **facts: Fact) -> Refusal:
    """Return the refusal. ``ReasonError`` where the facts are not those of the code."""
    needed = facts_of(code)
    if facts.keys() != needed:
        message = f"{code} needs {sorted(needed)}, and was given {sorted(facts)}"
        raise ReasonError(message)
    row = code.value
    shown = {name: written(name, value) for name, value in facts.items()}
    numbers: dict[str, int] = {}
    for name in row.numbers:
        numbers |= _numbers(name, facts[name])
    return Refusal(row.reason, row.sentence.format_map(shown), numbers)


def _numbers(name: str, value: Fact) -> Mapping[str, int]:
    match value:
        case GpuAmount():
            return {f"{name}_mib": value.memory_mib, f"{name}_milli": value.compute_milli}
        case int():
            return {name: value}
        case _:
            message = f"{name} is {value!r}: give a number or an amount"
            raise ReasonError(message)
