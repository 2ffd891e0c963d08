"""The service's clock and its place: the time, and this machine's boot id."""

from datetime import UTC, datetime
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def utc_now() -> datetime:
    """Return the time, aware."""
    return datetime.now(UTC)


def read_boot_id() -> str:
    """Return the id of this machine's boot: an agent with the same one runs beside the service."""
    return _BOOT_ID.read_text(encoding="ascii").strip()
