"""The order of notebooks in line: entitled ones first, then whose turn it is, then age and lot.

It is the order of jobs (``jobs.turns``) without priorities: what is left of guarantees goes to
those who wait in the fair order; of siblings the one that used least for its weight is next. A
request that comes later never changes the order of those before it within one person's requests,
and none overtakes by arriving: past use alone, which is known of all, decides between persons.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.holdings.card_policy import rate_of, type_turn
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.turns.job_order import Guarantees
from sublet_quota.jobs.turns.past_uses import PastUse
from sublet_quota.names.ids import JobId
from sublet_quota.residency.snapshot import Rank
from sublet_quota.server_queue.payers import Payer, Payers
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.shares.fair_order import RequestId, WaitingRequest, fair_order
from sublet_quota.shares.past_use import NO_TIME, worn_off_s

CHARGED: Final = timedelta(hours=1)
"""What a notebook is charged for its turn, whoever's: how long it will be held is not known."""


@dataclass(frozen=True, slots=True)
class _Asking:
    server: QueuedServer
    payer: Payer


def in_order(
    holdings: Holdings,
    waiting: Iterable[QueuedServer],
    past: PastUse,
    payers: Payers | None = None,
) -> tuple[QueuedServer, ...]:
    """Return the notebooks in line in the order in which they come.

    ``payers``: of these holdings, where some were looked up already.
    """
    payers = payers or Payers(holdings)
    asking = {each.request_id: _Asking(each, payers.of(each)) for each in waiting}
    requests = (_request(holdings, each) for each in asking.values())
    turns = fair_order(holdings.groups, past.used, past.used_by, requests)
    in_turn = [asking[request.request_id] for request in turns]
    ranks = _ranks(holdings, in_turn)
    ordered = sorted(in_turn, key=lambda each: ranks.get(each.server.request_id, Rank.BORROWED))
    return tuple(each.server for each in ordered)


def _request(holdings: Holdings, asking: _Asking) -> WaitingRequest:
    server, document = asking.server, holdings.document
    cards = Fraction(0)
    if asking.payer.first is not None:
        gpu_type, of_card = asking.payer.first
        cards = of_card * rate_of(document, gpu_type)
    return WaitingRequest(
        request_id=server.request_id,
        node=holdings.leaf_for(asking.payer.group, server.owner),
        owner=server.owner,
        since=server.since,
        lot=server.lot,
        estimate=float(cards) * worn_off_s(CHARGED, NO_TIME, document.fair_share.half_life),
    )


def _ranks(holdings: Holdings, in_turn: list[_Asking]) -> Mapping[RequestId, Rank]:
    """Return who is entitled to what slices leave of guarantees; others are borrowed."""
    filling = Guarantees(holdings)
    by_type: defaultdict[str, list[_Asking]] = defaultdict(list)
    for each in in_turn:
        for gpu_type in each.payer.cards:
            by_type[gpu_type].append(each)
    ranks: dict[RequestId, Rank] = {}
    for gpu_type in sorted(
        by_type, key=lambda name: type_turn(holdings.document, name, holdings.lot)
    ):
        asked = [
            (
                JobId(each.server.request_id),
                holdings.leaf_for(each.payer.group, each.server.owner),
                each.payer.cards[gpu_type],
            )
            for each in by_type[gpu_type]
            if each.server.request_id not in ranks
        ]
        for name, rank in filling.fill(gpu_type, asked).items():
            ranks[RequestId(name)] = rank
    return ranks
