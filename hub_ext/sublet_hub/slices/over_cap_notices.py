"""What owners were told of ends over caps, kept so that no start of the service gives more time.

Not forced to disk: after a crash of the service's machine an owner is told anew at the worst.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError
from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.reasons.caps import CapUse

from sublet_hub.host.private_files import write_private

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OverCapNotice:
    """That an owner was told of an end, and what has come of it."""

    owner: UserName
    server: str
    job: str | None
    """The job's name; ``None``: a server's slice."""
    since: datetime
    """Which time over the cap it is, by the agent's clock."""
    use: CapUse
    max_over_cap: timedelta
    told_at: datetime
    ended_at: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        """When it is ended, unless it is back within its cap before."""
        return self.told_at + self.max_over_cap


_NOTICES: Final = TypeAdapter(dict[SliceId, OverCapNotice])


class OverCapNotices:
    """The notices of all slices, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: Mapping[SliceId, OverCapNotice] = {}

    def load(self) -> dict[SliceId, OverCapNotice]:
        """Return what the service before this one told; nothing where that is unreadable."""
        try:
            self._kept = _NOTICES.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            self._kept = {}
        except (OSError, ValidationError) as error:
            _LOG.warning("what was told of caps cannot be read in %s: %s", self._path, error)
            self._kept = {}
        return dict(self._kept)

    def keep(self, notices: Mapping[SliceId, OverCapNotice]) -> None:
        """Keep these for the next start, in place of those before."""
        if notices == self._kept:
            return
        try:
            write_private(self._path, _NOTICES.dump_json(dict(notices)), forced=False)
        except OSError as error:
            _LOG.warning("what was told of caps cannot be kept in %s: %s", self._path, error)
            return
        self._kept = dict(notices)
