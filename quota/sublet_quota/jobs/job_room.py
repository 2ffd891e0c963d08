"""How much of the service's memory the jobs may take that wait or run: an owner's, and all.

What an owner may have in jobs is a number, and each may be large. An owner has at most as much as
is left then: when room runs out, who has little still gets some, and who has much waits.
"""

from dataclasses import dataclass
from typing import Final

from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.jobs import JobRefusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.wire.job_size import MOST_JOB_BYTES

_MIB: Final = 1024 * 1024
MOST_OF_AN_OWNER: Final = 8 * _MIB
MOST_OF_ALL: Final = 96 * _MIB
_LARGEST: Final = 4 * MOST_JOB_BYTES
"""One job more: text may take four bytes a character in memory."""


@dataclass(frozen=True, slots=True)
class TakenRoom:
    """What jobs that wait or run take, in bytes."""

    of_owner: int
    of_all: int


def refuse_for_room(taken: TakenRoom) -> Refusal | None:
    """Return why there is no room for one job more of this owner's, or ``None``."""
    after = taken.of_owner + _LARGEST
    if after > MOST_OF_AN_OWNER:
        return refuse(
            JobRefusal.OWN_JOBS_TOO_LARGE,
            used_mib=taken.of_owner // _MIB,
            limit_mib=MOST_OF_AN_OWNER // _MIB,
        )
    if taken.of_all + after > MOST_OF_ALL:
        return refuse(
            JobRefusal.ALL_JOBS_TOO_LARGE,
            used_mib=taken.of_all // _MIB,
            limit_mib=MOST_OF_ALL // _MIB,
        )
    return None
