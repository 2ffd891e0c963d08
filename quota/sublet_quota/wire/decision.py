"""What a refusal follows from, what would help, and whom it waits for: codes with their words."""

from typing import Annotated, Final

from pydantic import Field

from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.derivation import Derivation, DocumentLine, Rule, derivation_sentence
from sublet_quota.reasons.helping import Help, help_clause
from sublet_quota.reasons.refusals.facts import group_words
from sublet_quota.wire.schema import (
    AnswerModel,
    Mib,
    MilliGpu,
    Name,
    PositiveCount,
    Words,
    keeps_first,
)

_MOST_LINES: Final = 100
_MOST_NAMES: Final = 1000


class ToldLine(AnswerModel):
    """Where the quota document says something."""

    path: Words
    """The key, such as ``groups.science.limit.H100``."""
    line: PositiveCount | None = None
    """Counted from 1; ``None``: the document says nothing, and what is built in holds."""
    in_message: bool = False
    """Whether the message of the refusal names it."""


class ToldDerivation(AnswerModel):
    """By which rule it was decided, whose, and where the quota document says so."""

    rule: Name
    """A value of ``Rule``; a newer service may tell others."""
    group: Words | None = None
    """Who pays, or whose limit it is; ``None``: no group."""
    lines: Annotated[
        tuple[ToldLine, ...], keeps_first(_MOST_LINES), Field(max_length=_MOST_LINES)
    ] = ()
    group_in_message: bool = False
    """Whether the message of the refusal names the group."""
    words: Words = ""
    """What of it the message does not say, as a sentence; empty where that says all."""


class ToldHelp(AnswerModel):
    """One thing that would help: it was found to."""

    kind: Name
    """A value of ``HelpKind``; a newer service may tell others."""
    words: Words
    """What to do, as a clause without a full stop."""
    names: Annotated[
        tuple[Words, ...], keeps_first(_MOST_NAMES), Field(max_length=_MOST_NAMES)
    ] = ()
    """The sizes, the groups or the time that it speaks of."""
    memory_mib: Mib | None = None
    compute_milli: MilliGpu | None = None


def tell_derivation(why: Derivation) -> ToldDerivation:
    """Return what a decision follows from, with its words."""
    return ToldDerivation(
        rule=why.rule.value,
        group=why.group,
        lines=tuple(
            ToldLine(path=each.path, line=each.line, in_message=each in why.said)
            for each in why.lines
        ),
        group_in_message=why.says_group,
        words=derivation_sentence(why),
    )


def derivation_of(told: ToldDerivation) -> Derivation | None:
    """Return the derivation that was told; ``None`` where its rule is not known here."""
    try:
        rule = Rule(told.rule)
    except ValueError:
        return None
    group = None if told.group is None else GroupName(told.group)
    lines = tuple(DocumentLine(each.path, each.line) for each in told.lines)
    said = frozenset(line for line, each in zip(lines, told.lines, strict=True) if each.in_message)
    return Derivation(rule, group, lines, said=said, says_group=told.group_in_message)


def tell_help(one: Help) -> ToldHelp:
    """Return what would help, with its words."""
    amount = one.amount
    return ToldHelp(
        kind=one.kind.value,
        words=help_clause(one),
        names=one.names,
        memory_mib=None if amount is None else amount.memory_mib,
        compute_milli=None if amount is None else amount.compute_milli,
    )


def tell_waits_for(groups: tuple[GroupName | None, ...]) -> tuple[str, ...]:
    """Return whose slices are in the way, as words: groups in quotes, then users without one."""
    return group_words(groups)
