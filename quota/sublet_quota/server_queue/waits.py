"""How each of the line stands: its place, why it waits and for whom, when there will be room."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.told_lines import told_line
from sublet_quota.document.group_limits import limit_source
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, PoolName, SizeName
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.slice_placement import Placement, decided, tell_in_line
from sublet_quota.reasons.derivation import Derivation, Rule
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.limits import LimitRefusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.room import RoomRefusal
from sublet_quota.reasons.server_queue import Expected
from sublet_quota.server_queue.expected import FAR_BACK, Ends, Reckoning
from sublet_quota.server_queue.payers import Payer, Payers
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.walk import BEHIND, Behind, Step, walk
from sublet_quota.shares.fair_order import RequestId
from sublet_quota.shares.limits import Bound


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


@dataclass(frozen=True, slots=True)
class _Standing:
    """One of the line, before it is told why it waits."""

    server: QueuedServer
    place: int
    before: int
    payer: Payer
    step: Step | None
    """What becomes of it; ``None``: it is too far back to be looked at."""
    expected: Expected


class Standings:
    """How all in line stand, who are in their order, at one moment.

    Places and times are reckoned at once; why one waits, when it is asked for, as the words of each
    take time. The holdings must be as they were until all is told.
    """

    def __init__(self, holdings: Holdings, ordered: Sequence[QueuedServer], ends: Ends) -> None:
        self._holdings = holdings
        self._by_id = {each.server.request_id: each for each in _standings(holdings, ordered, ends)}
        self._told: dict[RequestId, QueueWait] = {}

    def __contains__(self, request_id: RequestId) -> bool:
        """Whether a request was in line then."""
        return request_id in self._by_id

    def __iter__(self) -> Iterator[RequestId]:
        """Yield all requests in their order."""
        return iter(self._by_id)

    def of(self, request_id: RequestId) -> QueueWait:
        """Return how one stands that was in line then."""
        if request_id not in self._told:
            standing = self._by_id[request_id]
            step = standing.step or _alone(self._holdings, standing.server)
            self._told[request_id] = QueueWait(
                server=standing.server,
                place=standing.place,
                before=standing.before,
                group=standing.payer.group,
                pool=_pool(self._holdings, standing.server),
                why=_why(step, standing.payer),
                expected=standing.expected,
            )
        return self._told[request_id]


def waits(holdings: Holdings, ordered: Sequence[QueuedServer], ends: Ends) -> tuple[QueueWait, ...]:
    """Return how those in line stand, who are in their order."""
    standings = Standings(holdings, ordered, ends)
    return tuple(standings.of(name) for name in standings)


def _standings(
    holdings: Holdings, ordered: Sequence[QueuedServer], ends: Ends
) -> Iterator[_Standing]:
    payers, reckoning = Payers(holdings), Reckoning(ends)
    steps = walk(holdings, ordered, payers)
    asked_before: defaultdict[str, int] = defaultdict(int)
    for place, server in enumerate(ordered, start=1):
        payer, step = payers.of(server), next(steps, None)
        yield _Standing(
            server=server,
            place=place,
            before=max((asked_before[name] for name in payer.cards), default=0),
            payer=payer,
            step=step,
            expected=FAR_BACK if step is None else reckoning.of(step),
        )
        for name in payer.cards:
            asked_before[name] += 1


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
            return tell_in_line(step.question, denial)
        case Behind(limit=Bound() as limit):
            return _kept_below(step.question.holdings, limit)
        case _:
            return refuse(RoomRefusal.KEPT_FOR_OTHERS, why=Derivation(Rule.ROOM, payer.group))


def _kept_below(holdings: Holdings, limit: Bound) -> Refusal:
    group = GroupName(limit.node)
    line = told_line(limit_source(holdings.document, group, limit.kind, limit.gpu_type))
    why = Derivation(Rule.LIMIT, group, (line,))
    return refuse(LimitRefusal.KEPT_FOR_OTHERS, why=why, group=group, line=line)


def _pool(holdings: Holdings, server: QueuedServer) -> PoolName:
    document, wish = holdings.document, server.wish
    if wish.size is not None and wish.size in document.sizes:
        return document.pool_of_size(SizeName(wish.size))
    return PoolName(wish.pool or document.default_pool)
