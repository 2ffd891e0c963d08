"""The offers to a user: each size with who would pay and how it would stand, or why not."""

from dataclasses import dataclass, replace

from sublet_quota.admission.slice_request import RequestedSlice, amount_of
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.right_values import Rights
from sublet_quota.document.rights import rights_of
from sublet_quota.document.sections import SliceSize
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, PoolName, SizeName
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.slice_placement import Placement, told
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.limits import Amounts


@dataclass(frozen=True, slots=True)
class SizeOffer:
    """A size: what it comes to, and whether it is to be had."""

    size: SizeName
    title: str
    pool: PoolName
    amount: GpuAmount
    """The amount on the GPU that the slice would go to; refused: on the pool's largest."""
    refusal: Refusal | None
    group: GroupName | None = None
    """Who would pay."""
    gpu_type: str | None = None
    """The type of the GPU that the slice would go to."""
    rank: Rank | None = None
    """How the slice would stand."""
    calls_back: int = 0
    """How many borrowed slices of others would lose their place for it."""

    @property
    def allowed(self) -> bool:
        """Whether the size is to be had now."""
        return self.refusal is None


@dataclass(frozen=True, slots=True)
class SliceOffers:
    """The slices that a user has, may have, and could have now."""

    rights: Rights
    held: Amounts
    """What the user holds."""
    offers: tuple[SizeOffer, ...]
    """The sizes in the order of the document, those too that the user may never pick."""
    default: SizeName | None
    """The size that the user gets without picking; ``None`` when no size is to be had now."""


def offers_for(  # noqa: PLR0913 - each is a part of the wish
    holdings: Holdings,
    owner: str,
    groups: tuple[str, ...],
    gpu_type: str | None = None,
    *,
    group: str | None = None,
    never_suspended: bool = False,
) -> SliceOffers:
    """Return what ``owner`` could have now; the arguments are those of their wish."""
    document = holdings.document
    rights = rights_of(document, owner, groups)
    wish = RequestedSlice(
        owner, groups, gpu_type=gpu_type, never_suspended=never_suspended, group=group
    )
    asked = Question(holdings, wish)
    offers = tuple(
        _offer(replace(asked, wish=replace(wish, size=name)), SizeName(name), size)
        for name, size in document.sizes.items()
    )
    allowed = [offer.size for offer in offers if offer.allowed]
    usual = document.default_size
    return SliceOffers(
        rights=rights,
        held=holdings.held_by(rights.owner),
        offers=offers,
        default=usual if usual in allowed else next(iter(allowed), None),
    )


def _offer(question: Question, name: SizeName, size: SliceSize) -> SizeOffer:
    holdings = question.holdings
    pool, title = holdings.document.pool_of_size(name), size.title or name
    answer = told(question)
    if isinstance(answer, Placement):
        return SizeOffer(
            name,
            title,
            pool,
            answer.amount,
            None,
            answer.group,
            answer.gpu_type,
            answer.rank,
            len(answer.calls_back),
        )
    kinds = holdings.kinds_in(pool)
    largest = max(kinds, key=lambda kind: kind.usable_mib, default=GpuKind("", 0, 0))
    return SizeOffer(name, title, pool, amount_of(size, largest), answer)
