"""The facts of refusals, as their sentences write them: by the fact's name, else by its type.

What a person sent is quoted and cut, here or by the row's own ``!r:.80``; names from the quota
document and from agents are written as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from sublet_quota.amounts.gpu_amounts import (
    BEYOND_ALL_GPUS,
    GpuAmount,
    format_cards,
    format_compute,
    format_memory,
    format_number,
)
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.counted import Counted, counted
from sublet_quota.reasons.derivation import DocumentLine
from sublet_quota.reasons.job_reasons import MOST_TOLD
from sublet_quota.reasons.moments import length_words
from sublet_quota.reasons.refusal import quoted
from sublet_quota.reasons.shared_clauses import USERS_WITHOUT_GROUP


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds something together: a group, its direct members alone, or users without a group."""

    group: str | None
    direct: bool = False
    """Of a group with groups in it: its direct members, as these are beside those groups."""

    def __str__(self) -> str:
        """Return who that is, with the verb."""
        if self.group is None:
            return f"{_payer(None)} have"
        members = f"Members of '{self.group}' itself have"
        return members if self.direct else f"{_payer(self.group)} has"


Fact = int | str | Fraction | GpuAmount | DocumentLine | Holder | tuple[str, ...] | None
CARDS: Final = "_cards"
"""The end of the name of a fact that is an amount of cards."""
_MOST_LISTED: Final = 20
_MOST_REASONS: Final = 3
_MINUTES_OF_HOUR: Final = 60


def written(name: str, value: Fact) -> object:
    """Return what stands in a sentence for a fact, by its name or the end of that (``_mib``)."""
    if name in _BY_NAME:
        return _BY_NAME[name](value)
    match value:
        case int() if name.endswith("_mib"):
            return Counted(format_memory(value))
        case int() if name.endswith("_cpu_milli"):
            return Counted(f"{format_number(Fraction(value, 1000), 3)} CPU")
        case int() if name.endswith("_milli"):
            return format_compute(value)
        case int() if name.endswith("_s"):
            return length_words(timedelta(seconds=value))
        case Fraction() if name.endswith(CARDS):
            return Counted(format_cards(value))
        case tuple():
            return ", ".join(value)
        case _:
            return value


def in_the_way(groups: tuple[GroupName | None, ...]) -> str:
    """Return whose slices are in the way, as a sentence behind another; empty for none."""
    return f" In the way are slices of {', '.join(group_words(groups))}." if groups else ""


def group_words(groups: tuple[GroupName | None, ...]) -> tuple[str, ...]:
    """Return groups as they are told, by their names, and who is in none behind them."""
    named = sorted(group for group in groups if group is not None)
    told = [f"'{name}'" for name in named[:_MOST_LISTED]]
    if len(named) > _MOST_LISTED:
        told.append("...")
    if None in groups:
        told.append(USERS_WITHOUT_GROUP)
    return tuple(told)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")


def _offered(sizes: tuple[str, ...]) -> str:
    return f"Pick one of: {_listed(sizes)}." if sizes else "Ask an administrator for a size."


def _groups_to_choose(groups: tuple[str, ...]) -> str:
    return f"Choose one of: {_listed(groups)}." if groups else "Name none."


def _payer(group: str | None) -> str:
    return "Users without a group" if group is None else f"Group '{group}'"


def _nearest(name: str) -> str:
    return f" (did you mean '{name}'?)" if name else ""


def _counted(noun: str) -> Callable[[int], Counted]:
    return lambda count: counted(count, noun)


def _closed_gpus(count: int) -> str:
    return "the only GPU is" if count == 1 else f"all {count} GPUs are"


def _why_closed(reasons: tuple[str, ...]) -> str:
    return "; ".join(reasons[:_MOST_REASONS]) + ("; ..." if len(reasons) > _MOST_REASONS else "")


def _most_gpus(count: int) -> str:
    return "there is 1" if count == 1 else f"there are {count}"


def _too_little(amount: int) -> str:
    return str(amount) if amount > -BEYOND_ALL_GPUS else "less than nothing"


def _hours(minutes: int) -> str:
    if minutes < _MINUTES_OF_HOUR:
        return f"{minutes} min"
    return f"{format_number(minutes / _MINUTES_OF_HOUR, 2)} h"


def _again_at(moment: str) -> str:
    return f"There are hours again at {moment}." if moment else "Ask an administrator."


def _told(words: str) -> str:
    return words[:MOST_TOLD]


_BY_NAME: Final[Mapping[str, Callable[[Any], str]]] = MappingProxyType(
    {
        "again_at": _again_at,
        "asked_group": quoted,
        "asked_path": quoted,
        "asked_pool": quoted,
        "asked_size": quoted,
        "asked_type": quoted,
        "budget_minutes": _hours,
        "closed_gpus": _closed_gpus,
        "groups_to_choose": _groups_to_choose,
        "asked_gpus": _counted("GPU"),
        "jobs": _counted("job"),
        "limit_gpus": _counted("slice"),
        "most_gpus": _most_gpus,
        "nearest": _nearest,
        "offered": _offered,
        "payer": _payer,
        "pools": _listed,
        "slices": _counted("slice"),
        "times": _counted("time"),
        "told": _told,
        "too_little": _too_little,
        "variables": _counted("environment variable"),
        "why_closed": _why_closed,
    }
)
