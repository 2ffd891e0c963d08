"""Whether a slice is guaranteed or borrowed, as the service tells it: the code with its words."""

from datetime import datetime

from sublet_quota.reasons.ranks import RankCode, rank_meaning, rank_word, reserved_meaning
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Name, Words


class ToldRank(AnswerModel):
    """A rank, to be shown by these very words."""

    code: Name
    """A value of ``RankCode``; a newer service may tell others. Signs and colours go by it."""
    word: Words
    meaning: Words
    """The word explained, in sentences for the slice's owner."""
    as_before_until: AwareDatetime | None = None
    """Until when that holds, where something became less and a grace lasts; ``None``: lasting."""
    back_at: AwareDatetime | None = None
    """Before when a slice does not come back that was called back again and again; ``None``: it
    does as soon as there is room.
    """


def code_of(rank: Rank) -> RankCode:
    """Return the code by which a rank is told."""
    return RankCode[rank.name]


def tell_rank(  # noqa: PLR0913 - what a rank hangs on
    rank: RankCode,
    group: str | None = None,
    gpu_type: str | None = None,
    called_back_for: str | None = None,
    as_before_until: datetime | None = None,
    *,
    back_at: datetime | None = None,
) -> ToldRank:
    """Return a rank with its words, for a slice on ``gpu_type`` that is charged to ``group``."""
    meaning = rank_meaning(rank, group, gpu_type, called_back_for, back_at)
    word = rank_word(rank)
    return ToldRank(
        code=rank.value,
        word=word,
        meaning=meaning,
        as_before_until=as_before_until,
        back_at=back_at,
    )


def tell_reserved(called_back_for: str, reserved_from: str) -> ToldRank:
    """Return the rank of a slice that was called back for a reservation, and from when on."""
    rank, meaning = RankCode.CALLED_BACK, reserved_meaning(called_back_for, reserved_from)
    return ToldRank(code=rank.value, word=rank_word(rank), meaning=meaning)
