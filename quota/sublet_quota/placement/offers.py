"""The offers to a user: each size, to be had now or why not, in the words of the refusal."""

from dataclasses import dataclass, replace

from sublet_quota.admission.slice_request import RequestedSlice, amount_of
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.rights import Rights, rights_of
from sublet_quota.document.sections import SliceSize
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import PoolName, SizeName
from sublet_quota.placement.slice_placement import decide_slice
from sublet_quota.reasons.refusal import Refusal


@dataclass(frozen=True, slots=True)
class SizeOffer:
    """A size: what it comes to, and whether it is to be had."""

    size: SizeName
    title: str
    pool: PoolName
    amount: GpuAmount
    """The amount on the GPU that the slice would go to; refused: on the pool's largest."""
    refusal: Refusal | None

    @property
    def allowed(self) -> bool:
        """Whether the size is to be had now."""
        return self.refusal is None


@dataclass(frozen=True, slots=True)
class SliceOffers:
    """The slices that a user has, may have, and could have now."""

    rights: Rights
    used: GpuAmount
    slices: int
    offers: tuple[SizeOffer, ...]
    """The sizes in the order of the document, those too that the user may never pick."""
    default: SizeName | None
    """The size that the user gets without picking; ``None`` when no size is to be had now."""


def offers_for(
    holdings: Holdings,
    owner: str,
    groups: tuple[str, ...],
    gpu_type: str | None = None,
    *,
    never_suspended: bool = False,
) -> SliceOffers:
    """Return what ``owner`` could have now; ``never_suspended`` as in their wish."""
    document = holdings.document
    rights = rights_of(document, owner, groups)
    wish = RequestedSlice(owner, groups, gpu_type=gpu_type, never_suspended=never_suspended)
    offers = tuple(
        _offer(holdings, SizeName(name), size, replace(wish, size=name))
        for name, size in document.sizes.items()
    )
    allowed = [offer.size for offer in offers if offer.allowed]
    usual = document.default_size
    first = allowed[0] if allowed else None
    use = holdings.totals.of_user(rights.owner, None)
    return SliceOffers(
        rights=rights,
        used=use.amount,
        slices=use.slices,
        offers=offers,
        default=SizeName(usual) if usual is not None and usual in allowed else first,
    )


def _offer(holdings: Holdings, name: SizeName, size: SliceSize, wish: RequestedSlice) -> SizeOffer:
    pool = holdings.document.pool_of_size(name)
    answer = decide_slice(holdings, wish)
    if isinstance(answer, Refusal):
        kinds = holdings.kinds_in(pool)
        largest = max(kinds, key=lambda kind: kind.usable_mib, default=GpuKind("", 0, 0))
        return SizeOffer(name, size.title or name, pool, amount_of(size, largest), answer)
    return SizeOffer(name, size.title or name, pool, answer.amount, None)
