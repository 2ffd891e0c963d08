"""Rights as lines to be told: what it is, how much, and where the document says so.

Share, command line and ``sublet quota diff`` show these same lines.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction
from typing import Any, Final, NamedTuple

from sublet_quota.amounts.gpu_amounts import format_cards, format_memory
from sublet_quota.document.group_limits import group_jobs_most, limit_of, source_of
from sublet_quota.document.lookups.group_budgets import Budget, budget_of, hours_of_person
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.lookups.reservations import next_time_of
from sublet_quota.document.problems import KeyPath
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.right_values import BUILT_IN
from sublet_quota.document.rights import PayerRights, PersonLimit, Right, Rights
from sublet_quota.document.told_reservations import when_reserved
from sublet_quota.document.value_kinds.amount_limit import AmountLimit
from sublet_quota.document.value_kinds.budget_values import Calendar
from sublet_quota.document.value_kinds.cards import write_cards
from sublet_quota.document.values import WhenFull
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.moments import length_words, moment_words
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.wire.schema import shortened
from sublet_quota.wire.share import RightLine

_NO_LIMIT: Final = "no limit"
_MOST_NAME: Final = 255


class _Found(NamedTuple):
    """A line, and the path at which the document as it was written says it."""

    line: RightLine
    path: KeyPath


InForceClause = Callable[[GroupName, str], str]
"""Says of a group's guarantee of a type how much of it the cards that there are keep.

What stands behind the guarantee; empty where all of it is in force.
"""


def _nothing_behind(group: GroupName, gpu_type: str) -> str:
    del group, gpu_type
    return ""


def tell_rights(
    document: QuotaDocument,
    rights: Rights,
    now: datetime,
    in_force: InForceClause = _nothing_behind,
) -> tuple[RightLine, ...]:
    """Return a person's rights as lines: whoever pays first, then by the group that does.

    With each group what it is guaranteed, limited to and weighs, what is reserved for it now or
    later, and all above it: that binds, too. What an exception says tells why, and until when.
    ``document``: the one in force that the rights are of. ``in_force``: what its guarantees come to
    with the cards that there are; left out, that is not told.
    """
    lines = _lines(document, rights, now, in_force)
    return tuple(_excepted(document, found) for found in lines)


def _excepted(document: QuotaDocument, found: _Found) -> RightLine:
    """Return a line with why it is so, and until when, where an exception says it."""
    match found.path:
        case ("exceptions", int(place), *_):
            exception = document.as_written.exceptions[place]
        case _:
            return found.line
    until = "" if exception.until is None else f"until {moment_words(exception.until)}: "
    value = f"{found.line.value} ({until}{exception.why})"
    return found.line.model_copy(update={"value": value})


def _lines(
    document: QuotaDocument, rights: Rights, now: datetime, in_force: InForceClause
) -> Iterator[_Found]:
    yield from _limits("limit of ", rights.limit)
    if rights.job_limit is not None:
        yield from _limits("limit of running jobs: ", rights.job_limit)
    yield _line("most jobs", rights.jobs_most, None, _count(rights.jobs_most.value))
    kept = length_words(rights.keep_a_day.value)
    yield _line("slices kept from being lent, a day", rights.keep_a_day, None, kept)
    yield _in_line(document)
    idle = rights.max_idle.value
    longest = _NO_LIMIT if idle is None else length_words(idle)
    yield _line("longest idleness of a server", rights.max_idle, None, longest)
    for payer in rights.payers:
        yield from _of_payer(payer)
        for group in () if payer.group is None else reversed(document.path_of(payer.group)):
            yield from _guaranteed(document, group, payer.group, in_force)
            yield from _reserved(document, group, payer.group, now)
            yield from _of_group(document, group, payer.group)
            yield from _of_budget(document, group, rights.owner, payer.group)


def _in_line(document: QuotaDocument) -> _Found:
    """Return what becomes of a notebook that finds no room."""
    rules = document.notebooks
    if rules.when_full is WhenFull.REFUSE:
        words = "is refused"
    else:
        words = f"waits in line, at most {length_words(rules.wait_most)}"
    is_said = "when_full" in rules.model_fields_set
    source = source_of(document, ("notebooks", "when_full")) if is_said else BUILT_IN
    return _line("a notebook without room", Right(None, source), None, words)


def _guaranteed(
    document: QuotaDocument, group: GroupName, payer: str | None, in_force: InForceClause
) -> Iterator[_Found]:
    """Go through what a group is guaranteed, and how much of it is in force."""
    guaranteed, where = document.all_groups[group].guaranteed, key_path(document.path_of(group))
    for name in sorted(guaranteed):
        sure = Right(guaranteed[name], source_of(document, (*where, "guaranteed", name)))
        words = _cards(sure.value) + in_force(group, name)
        yield _line(f"{group} is guaranteed {name}", sure, payer, words)


def _of_group(document: QuotaDocument, group: GroupName, payer: str | None) -> Iterator[_Found]:
    """Go through what else holds for a group's members together."""
    quota, where = document.all_groups[group], key_path(document.path_of(group))
    is_said = "weight" in quota.model_fields_set
    weight = source_of(document, (*where, "weight")) if is_said else BUILT_IN
    yield _line(f"weight of {group}", Right(None, weight), payer, str(quota.weight))
    what = f"limit of {group} together"
    yield from _limit_together(document, what, (*where, "limit"), quota.limit, payer)
    yield from _jobs_of_group(document, group, payer)


def _of_budget(
    document: QuotaDocument, group: GroupName, owner: str, payer: str | None
) -> Iterator[_Found]:
    """Go through a group's budget: of all together, and of this person."""
    budget = budget_of(document, group)
    if budget is None:
        return
    mine = hours_of_person(document, budget, owner)
    for what, right in (
        (f"budget of {group} together", budget.hours),
        (f"budget in {group}", mine),
    ):
        if right is not None:
            yield _line(what, right, payer, _budget(budget, right.value))


def _budget(budget: Budget, hours: Fraction) -> str:
    per = budget.per
    period = f"{per.value} ({budget.zone})" if isinstance(per, Calendar) else length_words(per)
    rate = write_cards(budget.lent_rate)
    return f"{write_cards(hours)} h per {period}; borrowed and lent time counts {rate}"


def _reserved(
    document: QuotaDocument, group: GroupName, payer: str | None, now: datetime
) -> Iterator[_Found]:
    """Go through what is reserved for a group now or later: a document in force has none apart."""
    written = document.as_written
    for place, each in enumerate(written.reservations):
        time = next_time_of(each, now) if each.for_ == group else None
        if time is None:
            continue
        for name in sorted(each.guaranteed):
            source = source_of(written, ("reservations", place, "guaranteed", name))
            until = "" if each.until is None else f", until {each.until}"
            words = f"{_cards(each.guaranteed[name])}, {each.at} {each.zone}{until}"
            words += f"; {when_reserved(time, now)}"
            what = f"reserved for {group}: {name} ({each.name})"
            yield _line(what, Right(None, source), payer, words)


def _jobs_of_group(
    document: QuotaDocument, group: GroupName, payer: str | None
) -> Iterator[_Found]:
    most = group_jobs_most(document, group).get(NodeName(group))
    if most is not None:
        yield _line(f"most jobs of {group} together", most, payer, _count(most.value))
    running = document.all_groups[group].jobs.limit
    if running is not None:
        what = f"limit of running jobs of {group} together"
        where = (*key_path(document.path_of(group)), "jobs", "limit")
        yield from _limit_together(document, what, where, running, payer)


def _limit_together(
    document: QuotaDocument, what: str, where: KeyPath, said: AmountLimit, payer: str | None
) -> Iterator[_Found]:
    """Go through a limit of a group's members together, which the document says at a path."""
    limit = limit_of(said)
    amounts = {
        **{name: _cards(most) for name, most in limit.types.items()},
        **({} if limit.cards is None else {"cards": _cards(limit.cards)}),
        **({} if limit.memory_mib is None else {"memory": _memory(limit.memory_mib)}),
        **({} if limit.slices is None else {"slices": _count(limit.slices)}),
    }
    for name, words in amounts.items():
        source = source_of(document, (*where, name))
        yield _line(f"{what}: {name}", Right(None, source), payer, words)


def _of_payer(payer: PayerRights) -> Iterator[_Found]:
    yield from _sizes(payer)
    yield _line("GPU types", payer.types, payer.group, _names(payer.types.value))
    own_amounts = "yes" if payer.own_amounts.value else "no"
    yield _line("own amounts", payer.own_amounts, payer.group, own_amounts)
    yield _line("GPU types of jobs", payer.job_types, payer.group, _names(payer.job_types.value))
    longest = length_words(payer.job_max_run.value)
    yield _line("longest run of a job", payer.job_max_run, payer.group, longest)


def _sizes(payer: PayerRights) -> Iterator[_Found]:
    """Go through the sizes to pick: a size that comes by its own `for` is said by that line."""
    names = payer.sizes.value
    others = None if names is None else names - payer.sizes_for.keys()
    yield _line("sizes", payer.sizes, payer.group, _names(others))
    for name, source in payer.sizes_for.items():
        if names is None or name in names:
            yield _line(f"size {name}", Right(None, source), payer.group, "yes")


def _limits(what: str, limit: PersonLimit) -> Iterator[_Found]:
    for name in sorted(limit.types):
        right = limit.types[name]
        yield _line(f"{what}{name}", right, None, _cards(right.value))
    yield _line(f"{what}cards", limit.cards, None, _cards(limit.cards.value))
    yield _line(f"{what}memory", limit.memory, None, _memory(limit.memory.value))
    yield _line(f"{what}slices", limit.slices, None, _count(limit.slices.value))


def _line(what: str, right: Right[Any], group: str | None, value: str) -> _Found:
    source = right.source
    line = RightLine(
        right=shortened(what, _MOST_NAME),
        value=value,
        source=source.key,
        line=source.line,
        group=group,
    )
    return _Found(line, source.path)


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
