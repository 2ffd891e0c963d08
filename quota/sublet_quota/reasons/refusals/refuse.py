"""A refusal, made of a specific code and its facts.

Whoever decides gives the code and the facts that its sentence names; the coarse reason, the words
and the numbers for programs follow from the code's row; what would help (``helps``) and whom
the request waits for (``waits_for``) are kept as values in the refusal, too. Each subject has its
codes and their rows in a module of its own here. No row names another user than the one who asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from functools import cache
from math import floor
from string import Formatter
from typing import Final

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.errors import ReasonError
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.derivation import Derivation, DocumentLine
from sublet_quota.reasons.helping import Help, helping_sentence
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.reasons.refusals.facts import CARDS, Fact, Holder, in_the_way, written

HELPS: Final = "helps"
WAITS_FOR: Final = "waits_for"


@dataclass(frozen=True, slots=True)
class Row:
    """The coarse reason and the words of a code."""

    reason: RefusalReason
    sentence: str
    """A template of facts by their names; ``facts`` says how each is written."""
    numbers: tuple[str, ...] = ()
    """The facts that programs are told as numbers; an amount is two, ``_mib`` and ``_milli``; cards
    are thousandths of one, ``_millicards``.
    """


class RefusalCode(Enum):
    """A specific reason to refuse; a subclass has those of one subject, with their rows."""

    _value_: Row


@cache
def facts_of(code: RefusalCode) -> frozenset[str]:
    """Return the names of the facts that a code needs."""
    row = code.value
    named = {name for _, name, _, _ in Formatter().parse(row.sentence) if name}
    return frozenset(named.union(row.numbers))


def refuse(
    code: RefusalCode,
    *,
    why: Derivation | None = None,
    helps: tuple[Help, ...] = (),
    waits_for: tuple[GroupName | None, ...] = (),
    **facts: Fact,
) -> Refusal:
    """Return the refusal.

    ``helps`` is what would help, for codes that say so, and never empty there; ``waits_for`` are
    the groups in the way, for codes that name them, and may be empty.

    Raises ``ReasonError`` where the facts are not those of the code.
    """
    needed = facts_of(code)
    given = {*facts, *([HELPS] if helps else ()), *([WAITS_FOR] if waits_for else ())}
    given |= needed & {WAITS_FOR}
    if given != needed:
        message = f"{code} needs {sorted(needed)}, and was given {sorted(given)}"
        raise ReasonError(message)
    row = code.value
    shown = {name: written(name, value) for name, value in facts.items()}
    shown |= {HELPS: helping_sentence(helps) if helps else "", WAITS_FOR: in_the_way(waits_for)}
    numbers: dict[str, int] = {}
    for name in row.numbers:
        numbers |= _numbers(name, facts[name])
    message = row.sentence.format_map(shown)
    told = None if why is None else _beside(why, facts)
    return Refusal(row.reason, message, numbers, told, waits_for, helps)


def _beside(why: Derivation, facts: Mapping[str, Fact]) -> Derivation:
    """Return what a decision follows from, with what of it the sentence of these facts names."""
    said = frozenset(value for value in facts.values() if isinstance(value, DocumentLine))
    groups = {facts.get("payer"), facts.get("group")}
    groups |= {value.group for value in facts.values() if isinstance(value, Holder)}
    says_group = why.group is not None and why.group in groups
    return replace(why, said=said.intersection(why.lines), says_group=says_group)


def _numbers(name: str, value: Fact) -> Mapping[str, int]:
    match value:
        case GpuAmount():
            return {f"{name}_mib": value.memory_mib, f"{name}_milli": value.compute_milli}
        case Fraction() if name.endswith(CARDS):
            return {name.removesuffix(CARDS) + "_millicards": floor(value * 1000)}
        case int():
            return {name: value}
        case _:
            message = f"{name} is {value!r}: give a number or an amount"
            raise ReasonError(message)
