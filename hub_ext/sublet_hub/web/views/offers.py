"""What a user could have now: each size with who would pay and what makes way, or why not."""

from collections.abc import Iterable
from typing import Final

from sublet_quota.document.values import WhenFull
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.placement.offers import SizeOffer, SliceOffers
from sublet_quota.server_queue.queued_server import may_wait
from sublet_quota.wire.api import Offer, Offers
from sublet_quota.wire.rank import ToldRank

from sublet_hub.ledger.records import SliceRecord
from sublet_hub.web.views.quota_share import own_share
from sublet_hub.web.views.ranks import rank_on

_MOST_TEXT: Final = 4000


def offers_body(holdings: Holdings, found: SliceOffers, own: Iterable[SliceRecord]) -> Offers:
    """Return what a user could have, as the options form gets it; ``own`` are their slices."""
    return Offers(
        owner=found.rights.owner,
        offers=told_offers(holdings, found),
        default=found.default,
        groups=found.rights.groups,
        own=own_share(holdings, found.rights, own),
    )


def told_offers(holdings: Holdings, found: SliceOffers) -> tuple[Offer, ...]:
    """Return each size as a user is told of it, in the order of the document."""
    return tuple(_offer(holdings, offer) for offer in found.offers)


def _offer(holdings: Holdings, offer: SizeOffer) -> Offer:
    return Offer(
        size=offer.size,
        title=offer.title,
        pool=offer.pool,
        memory_mib=offer.amount.memory_mib,
        compute_milli=offer.amount.compute_milli,
        allowed=offer.allowed,
        why_not=None if offer.refusal is None else offer.refusal.message[:_MOST_TEXT],
        waits=_waits(holdings, offer),
        types=holdings.document.sizes[offer.size].types,
        group=offer.group,
        gpu_type=offer.gpu_type,
        rank=_rank(holdings, offer),
        calls_back=offer.calls_back,
    )


def _waits(holdings: Holdings, offer: SizeOffer) -> bool:
    queues = holdings.document.notebooks.when_full is WhenFull.QUEUE
    return queues and offer.refusal is not None and may_wait(offer.refusal)


def _rank(holdings: Holdings, offer: SizeOffer) -> ToldRank | None:
    if offer.rank is None:
        return None
    return rank_on(holdings, offer.gpu_type, offer.rank, offer.group)
