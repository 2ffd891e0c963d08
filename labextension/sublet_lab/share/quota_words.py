"""Quotas in words and figures: the same in the widget, in ``%sublet`` and on the command line."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from sublet_quota.amounts.gpu_amounts import format_cards, format_memory
from sublet_quota.wire.rank import ToldRank
from sublet_quota.wire.share import GroupShare, JobsShare, QuotaShare, RightLine, TypeShare

YOURS = "yours"
"""What stands for a group where a person's own is told."""


_LEFT: Final = "no longer yours"


class QuotaRow(NamedTuple):
    """One line of a quota's table; a dash for what there is not."""

    group: str
    of: str
    """A GPU type, ``all cards``, ``memory`` or ``slices``; with ``jobs`` where they count apart."""
    held: str
    guaranteed: str
    borrowed: str
    """Of notebooks' slices; a dash where nothing of the type is guaranteed to anybody."""
    jobs: str
    """Of what is held, what running jobs have."""
    limit: str


def quota_rows(quota: QuotaShare) -> tuple[QuotaRow, ...]:
    """Return the table: a person's own rows, then those of each group, by type of GPU first."""
    return tuple(row for share in (quota.own, *quota.groups) for row in _rows(share))


def _rows(share: GroupShare) -> Iterator[QuotaRow]:
    who = YOURS if share.group is None else " / ".join(share.path) or share.group
    who = f"{who} ({_LEFT})" if share.left else who
    for each in share.types:
        yield QuotaRow(
            who,
            each.gpu_type,
            _number(each.held),
            _number(each.guaranteed) if each.guaranteed else "-",
            "-" if each.borrowed is None else _number(each.borrowed),
            _number(each.jobs) if each.jobs else "-",
            "-" if each.limit is None else _number(each.limit),
        )
    if share.limit_cards is not None:
        held, limit = _number(share.held_cards), _number(share.limit_cards)
        yield QuotaRow(who, "all cards", held, "-", "-", "-", limit)
    if share.limit_mib is not None:
        held, limit = format_memory(share.held_mib), format_memory(share.limit_mib)
        yield QuotaRow(who, "memory", held, "-", "-", "-", limit)
    if share.most_slices is not None:
        yield QuotaRow(who, "slices", str(share.slices), "-", "-", "-", str(share.most_slices))
    if share.jobs_apart is not None:
        for of, held, limit in _of_jobs(share.jobs_apart):
            yield QuotaRow(who, of, held, "-", "-", "-", limit)


def _of_jobs(jobs: JobsShare) -> Iterator[tuple[str, str, str]]:
    """Go through what jobs have apart: of what, how much, and the limit."""
    for each in jobs.types:
        limit = "-" if each.limit is None else _number(each.limit)
        yield f"jobs on {each.gpu_type}", _number(each.held), limit
    if jobs.limit_cards is not None:
        yield "jobs, all cards", _number(jobs.held_cards), _number(jobs.limit_cards)
    if jobs.limit_mib is not None:
        yield "jobs, memory", format_memory(jobs.held_mib), format_memory(jobs.limit_mib)
    if jobs.most_running is not None:
        yield "jobs, slices", str(jobs.running), str(jobs.most_running)


def quota_lines(quota: QuotaShare) -> list[str]:
    """Return what a person holds, and what each of their groups holds, one fact a line."""
    own = quota.own
    lines = [f"your slices: {_of_memory(own)}"]
    lines += [f"yours of {_of_type(each)}" for each in own.types]
    for share in quota.groups:
        who = f"group {share.group}{f' ({_LEFT})' if share.left else ''}"
        if share.limit_mib is not None:
            lines.append(f"{who}: {_of_memory(share)}")
        lines += [f"{who}, {_of_type(each)}" for each in share.types]
    for share in (own, *quota.groups):
        if share.limit_cards is not None:
            who = "yours" if share.group is None else f"group {share.group}"
            limit = _number(share.limit_cards)
            lines.append(f"{who}, all types: {format_cards(share.held_cards)} (limit {limit})")
    for share in (own, *quota.groups):
        if share.jobs_apart is not None:
            who = "yours" if share.group is None else f"group {share.group}"
            lines += [
                f"{who}, {of}: {held} ({'no limit' if limit == '-' else f'limit {limit}'})"
                for of, held, limit in _of_jobs(share.jobs_apart)
            ]
    return lines


def _of_memory(share: GroupShare) -> str:
    limit = "no limit" if share.limit_mib is None else f"limit {format_memory(share.limit_mib)}"
    return f"{format_memory(share.held_mib)} ({limit})"


def rank_in_words(rank: ToldRank) -> str:
    """Return a rank's word: ``guaranteed until 14:30 (as before)`` while a grace lasts."""
    until = rank.as_before_until
    return rank.word if until is None else f"{rank.word} until {_moment(until)} (as before)"


def rank_explained(rank: ToldRank) -> str:
    """Return what a rank means, and until when, in sentences."""
    until = rank.as_before_until
    if until is None:
        return rank.meaning
    return f"{rank.meaning} As before until {_moment(until)}, as less is guaranteed by now."


def _moment(at: datetime) -> str:
    local = at.astimezone()
    today = local.date() == datetime.now().astimezone().date()
    return f"{local:%H:%M}" if today else f"{local:%Y-%m-%d %H:%M}"


def source_of(right: RightLine) -> str:
    """Return where a right comes from: ``groups.science.limit.H100, line 12``."""
    return right.source if right.line is None else f"{right.source}, line {right.line}"


def _of_type(share: TypeShare) -> str:
    facts = [f"{_number(share.guaranteed)} guaranteed"] if share.guaranteed else []
    if share.borrowed:
        facts.append(f"{_number(share.borrowed)} borrowed")
    if share.jobs:
        facts.append(f"{_number(share.jobs)} by jobs")
    facts.append("no limit" if share.limit is None else f"limit {_number(share.limit)}")
    return f"{share.gpu_type}: {format_cards(share.held)} ({', '.join(facts)})"


def _number(cards: float) -> str:
    return format_cards(cards).partition(" ")[0]
