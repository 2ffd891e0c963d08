"""Moments as sentences tell them: in UTC, whatever the zone in which they are known."""

from datetime import UTC, datetime


def moment_words(moment: datetime) -> str:
    """Return a moment to the minute: ``2026-11-30 14:05 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
