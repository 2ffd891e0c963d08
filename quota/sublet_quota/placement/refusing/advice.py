"""What would help somebody who is refused, as far as it surely does: nothing else is advised.

Another size, less, or another payer help where the same question with these is granted. That
somebody stops servers helps where limits and room would then allow the slice, counted without these
servers' slices; whatever else might follow is not counted on.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_amounts import MIB_PER_GIB, GpuAmount
from sublet_quota.names.ids import UserName
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.refusing.without_slices import WithoutSlices
from sublet_quota.reasons.helping import ADMIN, Help, HelpKind
from sublet_quota.reasons.moments import moment_words
from sublet_quota.reasons.refusals.room import RoomRefusal
from sublet_quota.reasons.refusals.sizes import SizeRefusal

IsGranted = Callable[[Question], bool]

_MOST_SIZES: Final = 3


def helps_for(question: Question, denial: Denial, is_granted: IsGranted) -> tuple[Help, ...]:
    """Return what would help; that an administrator is asked where nothing else would."""
    if denial.code is RoomRefusal.GPUS_CLOSED:
        return (_opening(question, denial),)
    found = (
        *_other_wishes(question, denial, is_granted),
        *_others_stop(question),
        *_reservation_ends(question, is_granted),
    )
    return found or ADMIN


def _opening(question: Question, denial: Denial) -> Help:
    """Return what opens the first of the cards that are closed, as far as that is said."""
    closed = (question.holdings.gpu(gpu_id) for gpu_id in denial.closed)
    cards = [card for card in closed if card is not None and not card.closed_for_good]
    until = [card.closed_until for card in cards if card.closed_until]
    if any(not card.closed_by_hand for card in cards):
        return Help(HelpKind.LATER)
    if until:
        return Help(HelpKind.AFTER, (moment_words(min(until)),))
    return Help(HelpKind.ADMIN_OPENS)


def _other_wishes(question: Question, denial: Denial, is_granted: IsGranted) -> Iterator[Help]:
    wish = question.wish
    if denial.code is RoomRefusal.NO_ROOM_TO_GROW:
        elsewhere = replace(question, only=None)
        if is_granted(elsewhere):
            yield Help(HelpKind.START_AGAIN)
    if denial.code is SizeRefusal.NO_OWN_AMOUNTS:
        by_size = replace(wish, memory_mib=None, compute_milli=None)
        yield from _other_sizes(_wishing(question, by_size), is_granted)
    elif wish.memory_mib is None and wish.compute_milli is None:
        yield from _other_sizes(question, is_granted)
    elif denial.less is not None:
        less = _told_exactly(denial.less)
        if is_granted(_asking(question, less)):
            yield Help(HelpKind.LESS, amount=less)
    if wish.group is not None:
        groups = question.holdings.document.groups_of(wish.groups)
        paying = tuple(
            group
            for group in groups
            if group != wish.group and is_granted(_wishing(question, replace(wish, group=group)))
        )
        if paying:
            yield Help(HelpKind.OTHER_GROUP, paying)


def _reservation_ends(question: Question, is_granted: IsGranted) -> Iterator[Help]:
    """Yield when the reservations have ended for which that room is kept which the wish lacks."""
    payers = {option.group for option in question.admission.within_rights}
    kept = {
        gpu_id: each
        for gpu_id, each in question.holdings.kept_cards.items()
        if any(question.is_kept_from(gpu_id, group) for group in payers)
    }
    for last in sorted(set(kept.values()), key=lambda each: (each.end, each.until, each.group)):
        ended = frozenset(gpu_id for gpu_id, each in kept.items() if each.end <= last.end)
        beside = replace(question, lends_kept=ended, seen=question.seen.for_another())
        if is_granted(beside):
            left = max(kept[gpu_id].until for gpu_id in ended)
            moments = moment_words(left), moment_words(last.end)
            yield Help(HelpKind.RESERVED, (last.group, *moments))
            return


def _other_sizes(question: Question, is_granted: IsGranted) -> Iterator[Help]:
    """Yield the sizes that would be granted now, the largest that is smaller first."""
    wish = question.wish
    names = tuple(
        name
        for name in question.holdings.document.sizes
        if name != wish.size and is_granted(_wishing(question, replace(wish, size=name, pool=None)))
    )
    if names:
        yield Help(HelpKind.OTHER_SIZE, names[-_MOST_SIZES:])


def _told_exactly(amount: GpuAmount) -> GpuAmount:
    """Return an amount that is no more than what its words say: they tell tenths of a GiB."""
    whole, rest = divmod(amount.memory_mib, MIB_PER_GIB)
    tenths = rest * 10 // MIB_PER_GIB
    memory_mib = whole * MIB_PER_GIB + -(-tenths * MIB_PER_GIB // 10)
    return GpuAmount(memory_mib if whole else amount.memory_mib, amount.compute_milli)


def _asking(question: Question, amount: GpuAmount) -> Question:
    memory_mib, compute_milli = amount.memory_mib, amount.compute_milli
    wish = replace(question.wish, memory_mib=memory_mib, compute_milli=compute_milli)
    return _wishing(question, wish)


def _wishing(question: Question, wish: RequestedSlice) -> Question:
    return replace(question, wish=wish)


def _others_stop(question: Question) -> Iterator[Help]:
    """Yield who could stop servers so that the slice is granted."""
    holdings, owner = question.holdings, UserName(question.wish.owner)
    world = WithoutSlices(question)
    if not world.options:
        return
    own = [one for one in holdings.slices_of(owner) if one.is_notebook]
    if any(world.is_granted((one,)) for one in own):
        yield Help(HelpKind.STOP_ONE)
    elif len(own) > 1 and world.is_granted(own):
        yield Help(HelpKind.STOP_ALL)
    groups = {option.group for option in world.options if option.group is not None}
    for group in sorted(groups):
        if world.is_granted_without_members(group):
            yield Help(HelpKind.MEMBERS_STOP, (group,))
            return
    if world.is_granted_alone(own):
        yield Help(HelpKind.SOMEBODY_STOPS)
