"""Moments, in UTC whatever the zone in which they are known, and lengths of time, in sentences."""

from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def moment_words(moment: datetime) -> str:
    """Return a moment to the minute: ``2026-11-30 14:05 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def length_words(length: timedelta) -> str:
    """Return a time in the largest unit that says it exactly: ``90 min``."""
    seconds = length.total_seconds()
    for unit_s, unit in _UNITS:
        if seconds and seconds % unit_s == 0:
            return f"{int(seconds // unit_s)} {unit}"
    return f"{seconds:g} s"
