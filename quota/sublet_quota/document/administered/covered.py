"""Whether rights give no more than other rights do: key by key, never by their words."""

from collections.abc import Collection
from typing import Any

from sublet_quota.document.right_values import PayerRights, PersonLimit, Right, Rights


def payer_is_covered(one: PayerRights, other: PayerRights, sizes: Collection[str]) -> bool:
    """Whether what is charged to one group may have nothing that ``other`` may not.

    ``sizes``: the names of all that there are.
    """
    return (
        _named(one.sizes, sizes) <= _named(other.sizes, sizes)
        and _names_are_covered(one.types, other.types)
        and one.own_amounts.value <= other.own_amounts.value
        and _names_are_covered(one.job_types, other.job_types)
        and one.job_max_run.value <= other.job_max_run.value
    )


def person_is_covered(one: Rights, other: Rights) -> bool:
    """Whether one person may have nothing by ``one`` that they may not have by ``other``."""
    return (
        _limit_is_covered(one.limit, other.limit)
        and _jobs_are_covered(one, other)
        and _is_covered(one.jobs_most, other.jobs_most)
        and one.keep_a_day.value <= other.keep_a_day.value
        and _is_covered(one.max_idle, other.max_idle)
    )


def _named(right: Right[frozenset[Any] | None], all_names: Collection[str]) -> frozenset[str]:
    return frozenset(all_names) if right.value is None else right.value


def _names_are_covered(
    one: Right[frozenset[str] | None], other: Right[frozenset[str] | None]
) -> bool:
    """Whether all names that one right allows are allowed by the other; ``None`` are all."""
    if other.value is None:
        return True
    return one.value is not None and one.value <= other.value


def _is_covered(one: Right[Any], other: Right[Any]) -> bool:
    """Whether a limit is no higher than another; ``None`` is no limit."""
    if other.value is None:
        return True
    return one.value is not None and one.value <= other.value


def _limit_is_covered(one: PersonLimit, other: PersonLimit) -> bool:
    unnamed: Right[Any] = Right(None)
    return (
        all(_is_covered(one.types.get(name, unnamed), most) for name, most in other.types.items())
        and _is_covered(one.cards, other.cards)
        and _is_covered(one.memory, other.memory)
        and _is_covered(one.slices, other.slices)
    )


def _jobs_are_covered(one: Rights, other: Rights) -> bool:
    """Whether running jobs may have no more, beside slices or together with them."""
    if other.job_limit is not None:
        most = one.limit_with_jobs if one.job_limit is None else one.job_limit
        return _limit_is_covered(most, other.job_limit)
    # Where slices and jobs count together, a limit of jobs apart is more.
    return one.job_limit is None
