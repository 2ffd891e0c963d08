"""What services of before kept in a file of what owners were told of ends over their caps.

The ledger takes it over, once: then there is no file.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError
from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.reasons.caps import CapUse
from sublet_quota.wire.schema import AwareDatetime

from sublet_hub.ledger.over_cap_notices import OverCapNotice, OverCapNotices

_LOG = logging.getLogger(__name__)
FILE: Final = "over-caps.json"


@dataclass(frozen=True, slots=True)
class _OfBefore:
    """A notice as the file had it."""

    owner: UserName
    server: str
    job: str | None
    since: AwareDatetime
    use: CapUse
    max_over_cap: timedelta
    told_at: AwareDatetime
    ended_at: AwareDatetime | None = None


_FILE_OF_BEFORE: Final = TypeAdapter(dict[SliceId, _OfBefore])


def take_over(state_folder: Path, notices: OverCapNotices) -> None:
    """Have the ledger keep what the file has of slices of which the ledger has no notice.

    What nobody can read is left aside: those concerned are told anew, with the whole time.
    ``LedgerWriteError``: then the file stays.
    """
    path = state_folder / FILE
    try:
        read = _FILE_OF_BEFORE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValidationError) as error:
        _LOG.warning("what was told of caps cannot be read in %s: %s", path, error)
        read = {}
    new = [_kept(*each) for each in read.items() if each[0] not in notices.kept]
    notices.keep(*new)
    try:
        path.unlink()
    except OSError as error:
        _LOG.warning("%s is of no more use, and cannot be deleted: %s", path, error)


def _kept(slice_id: SliceId, before: _OfBefore) -> OverCapNotice:
    return OverCapNotice(
        slice_id=slice_id,
        owner=before.owner,
        server=before.server,
        job=before.job,
        since=before.since,
        held_mib=before.use.held_mib,
        cap_mib=before.use.cap_mib,
        max_over_cap_s=before.max_over_cap.total_seconds(),
        told_at=before.told_at,
        ended_at=before.ended_at,
    )
