"""Options of ``sublet simulate`` that are more than a word: moments, parts, watts, speeds."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final

import click
from sublet_quota.amounts.gpu_amounts import MIB_PER_GIB
from sublet_quota.closed_loop.asks.asked import CardSpeeds
from sublet_quota.closed_loop.asks.bounded_text import read_part
from sublet_quota.closed_loop.asks.card_text import read_cards
from sublet_quota.closed_loop.baselines.policies import policy_of
from sublet_quota.closed_loop.outcome.outcome import Watts
from sublet_quota.errors import SubletQuotaError

ALL_TYPES: Final = ""
NONE: Final = "none"
_LEAST_GIB_PER_S: Final = 0.01
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2999


class Written(click.ParamType):  # type: ignore[type-arg, unused-ignore] # as of its release
    """A value that a function reads, with its words for what is wrong."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what is written."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except (SubletQuotaError, ValueError) as error:
            self.fail(str(error), param, ctx)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no day or moment: write 2026-01-05, or 2026-01-05T08:00"
        raise ValueError(message) from None
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        message = f"{text!r} is not from {_FIRST_YEAR} to {_LAST_YEAR}"
        raise ValueError(message)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _part(text: str) -> Fraction:
    try:
        found = read_part(text)
    except ValueError:
        found = Fraction(0)
    if not 0 < found <= 1:
        message = f"{text!r} is no part of a card, such as 1/2"
        raise ValueError(message)
    return found


def _watts(text: str) -> Mapping[str, Watts]:
    found: dict[str, Watts] = {}
    for part in text.split(","):
        gpu_type, _, numbers = part.rpartition("=")
        computing, _, resting = numbers.partition(":")
        try:
            watts = Watts(float(computing), float(resting))
        except ValueError:
            watts = Watts(-1, -1)
        if not 0 <= watts.resting <= watts.computing:
            message = (
                f"{part.strip()!r} names no watts: write COMPUTING:RESTING, such as 700:120, or by "
                "type H100=700:120,L4=72:16"
            )
            raise ValueError(message)
        found[gpu_type.strip()] = watts
    return found


def _speeds(text: str) -> CardSpeeds:
    out, _, back = text.partition(":")
    try:
        speeds = float(out), float(back)
    except ValueError:
        speeds = 0.0, 0.0
    if min(speeds) < _LEAST_GIB_PER_S:
        message = f"{text!r} names no speeds: write OUT:BACK in GiB a second, such as 1.7:4.8"
        raise ValueError(message)
    out_mib, back_mib = (int(each * MIB_PER_GIB) for each in speeds)
    return CardSpeeds(suspend_mib_per_s=out_mib, resume_mib_per_s=back_mib)


MOMENT: Final = Written("day", _moment)
PART: Final = Written("part", _part)
WATTS: Final = Written("watts", _watts)
SPEEDS: Final = Written("speeds", _speeds)
CARDS: Final = Written("cards", lambda text: (text, read_cards(text)))
POLICY: Final = Written("policy", lambda text: None if text == NONE else policy_of(text))
