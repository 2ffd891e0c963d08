"""How slices stand to their memory caps, kept so that a new agent tells nobody the same again.

Since when a slice is over its cap counts on, too: the service may end it after a while. Not forced
to disk: with the machine the slices' memory is gone as well.
"""

import json
import logging
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.cap_watch import CapLevel, CapWatch

from sublet_agent.durable_writes import replace_file

log = logging.getLogger(__name__)


class CapWatchesFile:
    """The watches over the caps of all slices of the node, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before: Mapping[SliceId, CapWatch] = {}
        self._kept: dict[GpuId, Mapping[SliceId, CapWatch]] = {}

    def load(self, slices: Collection[SliceId]) -> Mapping[SliceId, CapWatch]:
        """Return how an agent before this one saw these slices stand.

        Nothing where that is unreadable: then owners are told once more.
        """
        try:
            kept = json.loads(self._path.read_bytes())
            before = {SliceId(name): _watch(value) for name, value in kept.items()}
        except FileNotFoundError:
            before = {}
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            log.warning("the watches over caps in %s cannot be read: %s", self._path, error)
            before = {}
        self._before = {name: watch for name, watch in before.items() if name in slices}
        return self._before

    def keep(self, gpu_id: GpuId, watches: Mapping[SliceId, CapWatch]) -> None:
        """Replace what is kept of a GPU's slices."""
        self._kept.pop(gpu_id, None)
        # The last: a slice may have come from another card, for which it is kept as it was there.
        self._kept[gpu_id] = {name: w for name, w in watches.items() if w != CapWatch()}
        everywhere = {
            name: _values(watch)
            for kept in (self._before, *self._kept.values())
            for name, watch in kept.items()
        }
        try:
            replace_file(self._path, json.dumps(everywhere).encode())
        except OSError as error:
            log.warning("cannot keep the watches over caps in %s: %s", self._path, error)


def _values(watch: CapWatch) -> dict[str, Any]:
    return {
        "level": watch.level.name,
        "since": _text(watch.since),
        "is_told": watch.is_told,
        "near_told_at": _text(watch.near_told_at),
        "over_told_at": _text(watch.over_told_at),
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _watch(kept: Mapping[str, Any]) -> CapWatch:
    return CapWatch(
        level=CapLevel[kept["level"]],
        since=_moment(kept["since"]),
        is_told=kept["is_told"] is True,
        near_told_at=_moment(kept["near_told_at"]),
        over_told_at=_moment(kept["over_told_at"]),
    )


def _moment(text: str | None) -> datetime | None:
    """Return a moment; ``ValueError`` where it tells no time zone."""
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        message = f"{text!r} has no time zone"
        raise ValueError(message)
    return at
