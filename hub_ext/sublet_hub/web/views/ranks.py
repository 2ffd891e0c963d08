"""How slices stand to what groups are guaranteed, as it is told: by code and words."""

from datetime import datetime
from typing import Final

from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.ranks import RankCode
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.rank import ToldRank, code_of, tell_rank, tell_reserved

from sublet_hub.ledger.records import SliceRecord

_GUARANTEED: Final = frozenset({RankCode.ENTITLED, RankCode.ENTITLED_IN_PART})


def rank_on(
    holdings: Holdings, gpu_type: str | None, rank: Rank, group: str | None
) -> ToldRank | None:
    """Return a rank with its words; ``None`` where nothing of the type is guaranteed to anybody.

    Without guarantees nothing is borrowed from anybody, and nobody needs to know the word.
    """
    if gpu_type is None or gpu_type not in holdings.document.types_guaranteed:
        return None
    return tell_rank(code_of(rank), group, gpu_type)


def rank_of(
    holdings: Holdings,
    record: SliceRecord,
    reserved_from: str | None = None,
    back_at: datetime | None = None,
) -> ToldRank | None:
    """Return the rank of a notebook's slice; ``None`` for a job's, too.

    ``reserved_from``: from when on the room that a called-back one left is reserved, in words;
    ``back_at``: before when it does not come back.
    """
    if record.is_job:
        return None
    gpu_type = holdings.type_of(record.gpu.gpu_id)
    if gpu_type is None or gpu_type not in holdings.document.types_guaranteed:
        return None
    rank = code_of(holdings.rank(record.slice_id))
    until = as_before_until(holdings, record.slice_id)
    for_whom = record.called_back_for
    if rank is RankCode.CALLED_BACK and for_whom is not None and reserved_from is not None:
        return tell_reserved(for_whom, reserved_from)
    back_at = back_at if rank is RankCode.CALLED_BACK else None
    return tell_rank(rank, record.group, gpu_type, for_whom, until, back_at=back_at)


def as_before_until(holdings: Holdings, slice_id: SliceId) -> datetime | None:
    """Return until when a slice counts as guaranteed, of which less is now; ``None``: it does not.

    Of a called-back one, too, it is not said.
    """
    held = holdings.slice(slice_id)
    if held is None or held.before is None or not held.before.steps:
        return None
    return held.before.until if code_of(holdings.rank(slice_id)) in _GUARANTEED else None
