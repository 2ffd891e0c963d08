"""A notebook server that waits in line, and which refusals are worth waiting for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.names.ids import UserName
from sublet_quota.reasons.helping import HelpKind
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.shares.fair_order import RequestId

_TIME_HELPS: Final = frozenset(
    {
        HelpKind.MEMBERS_STOP,
        HelpKind.SOMEBODY_STOPS,
        HelpKind.IN_LINE,
        HelpKind.LATER,
        HelpKind.AFTER,
        HelpKind.RESERVED,
        HelpKind.ADMIN_OPENS,
    }
)


@dataclass(frozen=True, slots=True)
class QueuedServer:
    """A notebook server in line, with the wish that it waits with."""

    request_id: RequestId
    owner: UserName
    server: str
    """The server's name; empty for the default one."""
    wish: RequestedSlice
    since: datetime
    lot: int
    """Drawn once for each request, and kept: decides exact ties."""


def may_wait(refusal: Refusal) -> bool:
    """Whether time, and others, may bring what was refused.

    Want of room always may: borrowed slices can be back, guarantees be laid out elsewhere. A
    group's limit does where its members could stop enough. What only the owner or an administrator
    could change is refused at once.
    """
    if refusal.reason is RefusalReason.NO_ROOM:
        return True
    return any(help_.kind in _TIME_HELPS for help_ in refusal.helps)
