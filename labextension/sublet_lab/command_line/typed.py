"""What is typed for an option, as times and numbers; what cannot be read is told in words."""

import re
from datetime import datetime, timedelta
from typing import Any, Final

import click
from sublet_quota.reasons.typed_numbers import misfit_words

from sublet_lab.command_line.tables import plain

_PAST: Final = re.compile(r"([0-9]{1,4})([dh])")
_MOST_DIGITS: Final = 9
_REVISION: Final = re.compile(r"[1-9][0-9]{0,8}|[0-9a-f]{32}")
"""A number, or a digest of a part."""
_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1)}
_MOST_PAST: Final = timedelta(days=400)


class LocalTime(click.ParamType):  # type: ignore[type-arg, unused-ignore] # as of its release
    """A day, or a moment of one, by the clock of the machine on which it is typed."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment that is typed, without a zone; a day is its first."""
        if isinstance(value, datetime):
            return value
        for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"):
            try:
                return datetime.strptime(str(value).replace("T", " "), form)  # noqa: DTZ007 (local)
            except ValueError:
                continue
        message = f"{plain(str(value))!r} is no time: write 2026-11-24, or '2026-11-24 09:30'"
        raise click.BadParameter(message, ctx, param)


class WholeNumber(click.IntRange):
    """A whole number within bounds."""

    name = "number"

    def __init__(self, least: int, most: int | None = None) -> None:
        super().__init__(least, most)
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number that is typed."""
        try:
            number = int(value)
        except ValueError:
            number = None
        least, most = self.least, self.most
        if number is not None and number >= least and (most is None or number <= most):
            return number
        raise click.BadParameter(misfit_words(plain(str(value)), least, most), ctx, param)


class RevisionName(click.ParamType):  # type: ignore[type-arg, unused-ignore] # as of its release
    """What a revision is called: its number, or of a part what the history says."""

    name = "revision"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name that is typed."""
        named = str(value)
        if _REVISION.fullmatch(named) is None:
            message = f"{plain(named)!r} is no revision: `sublet quota history` lists them"
            raise click.BadParameter(message, ctx, param)
        return named


class PastDays(click.ParamType):  # type: ignore[type-arg, unused-ignore] # as of its release
    """So many past days: ``30d``, or ``12h``."""

    name = "days"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the time that is typed."""
        if isinstance(value, timedelta):
            return value
        found = _PAST.fullmatch(str(value))
        past = None if found is None else int(found[1]) * _UNITS[found[2]]
        if past is None or not timedelta() < past <= _MOST_PAST:
            message = f"{plain(str(value))!r} is no such time: write 30d or 12h, 400d at most"
            raise click.BadParameter(message, ctx, param)
        return past


TIME: Final = LocalTime()
PAST_DAYS: Final = PastDays()
REVISION_NAME: Final = RevisionName()


def is_number(named: str) -> bool:
    """Whether a revision is named by its number."""
    return len(named) <= _MOST_DIGITS


zone_option = click.option(
    "--zone", help="Whose hours, days and weeks are meant, such as Europe/Berlin. Default: UTC."
)
"""Adds the option to a command."""
