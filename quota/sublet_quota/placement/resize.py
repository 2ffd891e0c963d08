"""Whether a slice may become larger or smaller where it is, on its GPU.

Less than before is always possible, down to what is held, in what may be picked. More is admitted
as a new slice of that size would be on this very card, with the old one out of the way, and charged
to the same group: whatever counted as before a guarantee became less does so no longer.
"""

from dataclasses import dataclass, replace

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.slice_admission import admit, tried_in_order
from sublet_quota.admission.slice_request import RequestedSlice, Wanted, read_wish
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.document.right_values import PayerRights, Rights
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.gpu_load import AsBefore, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, SizeName, SliceId
from sublet_quota.placement.finding.moving import Moves
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.slice_placement import Placement, decided, tell, told
from sublet_quota.reasons.helping import ADMIN, Help, HelpKind
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.room import RoomRefusal
from sublet_quota.shares.lots import lot_of


@dataclass(frozen=True, slots=True)
class NewSize:
    """A wish for another size: by name, or amounts; what is left out stays as it is."""

    size: str | None = None
    memory_mib: int | None = None
    compute_milli: int | None = None


@dataclass(frozen=True, slots=True)
class Resized:
    """The slice as it may become, and what follows for others, as for ``Placement``."""

    amount: GpuAmount
    size: SizeName | None
    group: GroupName | None
    calls_back: tuple[SliceId, ...] = ()
    moves: Moves = ()
    recharged: tuple[tuple[SliceId, GroupName], ...] = ()
    before: AsBefore | None = None
    """What the slice counts as while a grace lasts."""
    holds_back: tuple[SliceId, ...] = ()


def decide_resize(
    holdings: Holdings, slice_: Holding, groups: tuple[str, ...], new: NewSize, held_mib: int | None
) -> Resized | Refusal:
    """Return what the slice may become, or why it may not.

    ``held_mib`` is what its processes hold now, ``None`` where the GPU does not tell. ``holdings``
    must not hold the slice itself: its room and its part of the quotas are free.
    """
    facts = holdings.gpu(slice_.gpu_id)
    wish = _wish(slice_, groups, new)
    if facts is None or holdings.pool_of(slice_.gpu_id) is None:
        has_another = isinstance(decided(Question(holdings, wish)), Placement)
        helps = (Help(HelpKind.START_AGAIN),) if has_another else ADMIN
        return refuse(RoomRefusal.GPU_GONE, helps=helps)
    wanted = _wanted(holdings, slice_, wish)
    if isinstance(wanted, Denial):
        return tell(Question(holdings, wish, only=slice_.gpu_id), wanted)
    amount = wanted.on(facts.kind)
    if held_mib is None:
        if amount.memory_mib < slice_.amount.memory_mib:
            return refuse(RoomRefusal.HELD_UNKNOWN, asked_mib=amount.memory_mib)
    elif amount.memory_mib < held_mib:
        return refuse(RoomRefusal.BELOW_HELD, asked_mib=amount.memory_mib, held_mib=held_mib)
    if amount.fits_in(slice_.amount):
        return Resized(amount, wanted.name, slice_.group, before=slice_.before)
    answer = told(Question(holdings, wish, only=slice_.gpu_id))
    if isinstance(answer, Refusal):
        return answer
    return Resized(
        answer.amount,
        answer.size,
        answer.group,
        answer.calls_back,
        answer.moves,
        answer.recharged,
        holds_back=answer.holds_back,
    )


def _wish(slice_: Holding, groups: tuple[str, ...], new: NewSize) -> RequestedSlice:
    wish = RequestedSlice(
        slice_.owner,
        groups,
        new.size,
        slice_.pool,
        never_suspended=slice_.unsuspendable,
        group=slice_.group,
    )
    if new.size is not None and new.memory_mib is None and new.compute_milli is None:
        return wish
    before = slice_.amount
    memory_mib = before.memory_mib if new.memory_mib is None else new.memory_mib
    compute_milli = before.compute_milli if new.compute_milli is None else new.compute_milli
    return replace(wish, memory_mib=memory_mib, compute_milli=compute_milli)


def _wanted(holdings: Holdings, slice_: Holding, wish: RequestedSlice) -> Wanted | Denial:
    """Return what the wish means under the rights of who pays for the slice."""
    rights = rights_of(holdings.document, wish.owner, wish.groups)
    return read_wish(holdings.document, rights, _payer(holdings, slice_, rights, wish), wish)


def _payer(
    holdings: Holdings, slice_: Holding, rights: Rights, wish: RequestedSlice
) -> PayerRights:
    """Return who pays; of who is a member no more, whichever of their other groups would."""
    if slice_.group in rights.groups:
        return rights.payer(slice_.group)
    facts, lot = holdings.gpu(slice_.gpu_id), lot_of(slice_.slice_id)
    admission = admit(holdings, replace(wish, group=None, lot=lot))
    options = tried_in_order(holdings, admission.within_rights, lot)
    here = (
        option
        for option in (*admission.options, *options)
        if facts is not None and option.asked.kind == facts.kind
    )
    best = next(here, None)
    return rights.payers[lot % len(rights.payers)] if best is None else best.payer
