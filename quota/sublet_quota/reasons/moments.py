"""Moments, in UTC whatever the zone in which they are known, and lengths of time, in sentences."""

from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def moment_words(moment: datetime) -> str:
    """Return a moment to the minute: ``2026-11-30 14:05 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def said_moment_words(said: str, moment: datetime) -> str:
    """Return a moment as somebody wrote it, and in UTC too where that is in another zone."""
    in_utc = said.endswith(("Z", "z", "+00:00", "UTC"))
    return said if in_utc else f"{said} ({moment_words(moment)})"


def is_over_words(until: datetime, now: datetime) -> str:
    """Return why something cannot last until then."""
    said = said_moment_words(until.isoformat(), until)
    return f"until={said} is over, as it is {moment_words(now)}: give a later end, or none"


def length_words(length: timedelta) -> str:
    """Return a time in the largest unit that says it exactly: ``90 min``."""
    seconds = length.total_seconds()
    for unit_s, unit in _UNITS:
        if seconds and seconds % unit_s == 0:
            return f"{int(seconds // unit_s)} {unit}"
    return f"{seconds:g} s"
