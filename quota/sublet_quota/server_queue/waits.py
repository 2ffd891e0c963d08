"""How each of the line stands: its place, why it waits and for whom, when there will be room."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sublet_quota.admission.denial import Denial
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, PoolName, SizeName
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.slice_placement import Placement, decided, tell
from sublet_quota.reasons.derivation import Derivation, Rule
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.room import RoomRefusal
from sublet_quota.reasons.server_queue import Expected
from sublet_quota.server_queue.expected import FAR_BACK, Ends, Reckoning
from sublet_quota.server_queue.payers import Payer, Payers
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.walk import BEHIND, Step, walk
from sublet_quota.shares.fair_order import RequestId


@dataclass(frozen=True, slots=True)
class QueueWait:
    """One of the line, and how it stands."""

    server: QueuedServer
    place: int
    """The place in line; 1 for the next."""
    before: int
    """How many of those before ask for a GPU type that it could have, too."""
    group: GroupName | None
    """Who would pay."""
    pool: PoolName
    why: Refusal | None
    """Why it waits, and for whom; ``None``: its turn has come."""
    expected: Expected


def waits(
    holdings: Holdings,
    ordered: Sequence[QueuedServer],
    ends: Ends,
    of: Collection[RequestId] | None = None,
) -> tuple[QueueWait, ...]:
    """Return how those in line stand, who are in their order.

    ``of``: those alone of whom it is asked, as the words of each take time; ``None``: all.
    """
    payers, reckoning = Payers(holdings), Reckoning(ends)
    steps = walk(holdings, ordered)
    asked_before: defaultdict[str, int] = defaultdict(int)
    found: list[QueueWait] = []
    for place, server in enumerate(ordered, start=1):
        payer, step = payers.of(server), next(steps, None)
        expected = FAR_BACK if step is None else reckoning.of(step)
        if of is None or server.request_id in of:
            found.append(
                QueueWait(
                    server=server,
                    place=place,
                    before=max((asked_before[name] for name in payer.cards), default=0),
                    group=payer.group,
                    pool=_pool(holdings, server),
                    why=_why(step or _alone(holdings, server), payer),
                    expected=expected,
                )
            )
        for name in payer.cards:
            asked_before[name] += 1
    return tuple(found)


def _alone(holdings: Holdings, server: QueuedServer) -> Step:
    """Return what would become of one too far back to be looked at, but for those before."""
    question = Question(holdings, server.wish)
    answer = decided(question)
    return Step(server, question, BEHIND if isinstance(answer, Placement) else answer)


def _why(step: Step, payer: Payer) -> Refusal | None:
    match step.answer:
        case Placement():
            return None
        case Denial() as denial:
            return tell(step.question, denial)
        case _:
            return refuse(RoomRefusal.KEPT_FOR_OTHERS, why=Derivation(Rule.ROOM, payer.group))


def _pool(holdings: Holdings, server: QueuedServer) -> PoolName:
    document, wish = holdings.document, server.wish
    if wish.size is not None and wish.size in document.sizes:
        return document.pool_of_size(SizeName(wish.size))
    return PoolName(wish.pool or document.default_pool)
