"""Whether slices take turns of computing on a card, and which: from what was measured last.

All run freely, sliced by the driver, but where the card is full and somebody gets less than is due
to them. Then those that fill it take turns, each in its own at full speed, which costs nothing and
often gains. Who does not fill its own turns has to wait for its program, not for the card: turns
would keep nobody's share there and waste half of the card. It runs freely beside the others, and is
tried again after a rest that doubles. What cannot be paused runs freely, too. Who fills its turns
is judged by those that it had: a busy machine may take them late, or none for a while. Who has more
than is due by ever shorter turns, as its kernels run on beyond them, runs freely for a while, too.
Whoever so has more than is due to it, beside others that fill their turns, has an open turn.

Who may not have all of a card, and has more, takes turns too, with nobody: alone, or with others
that are capped alike. Such turns are as long as it takes to have what is allowed, by a program that
fills them or not; where it has no more than that though it runs all the time, it runs freely.

The past that a decision needs is a value that it returns; nothing else is remembered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from sublet_quota.compute.card_use import CardUse, ComputingSlice, NotPausable
from sublet_quota.compute.corrections import (
    corrected,
    corrected_for_caps,
    who_runs_on,
)
from sublet_quota.compute.dues import dues, in_order
from sublet_quota.compute.filling import granted_parts, has_stopped, who_fills
from sublet_quota.compute.joining import first_turns, may_take_turns, who_joins
from sublet_quota.compute.measured import (
    are_at_caps,
    computes,
    dues_beside,
    ids_of,
    is_beyond_its_cap,
    is_full,
    may_be_beyond_its_cap,
    may_need_turns,
    runs_freely,
    used,
    were_taken,
    who_gets_less,
)
from sublet_quota.compute.open_turns import (
    UNSEEN,
    who_may_open,
    who_opens,
    who_stays_open,
)
from sublet_quota.compute.past import ComputeDecision, PastCompute
from sublet_quota.compute.rests import longer_rest, rest_of
from sublet_quota.compute.turns import Round, fits_a_period, least_idle, make_round, room_beside
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import ShareKept

PERIOD: Final = timedelta(milliseconds=100)
RUNS_ON_AFTER: Final = timedelta(seconds=15)
"""For so long a slice has more by the shortest turns before it takes none: machines are busy."""
_NOBODY_KNOWS: Final = frozenset({ShareKept.MOVING, ShareKept.CLOSED, ShareKept.NOT_TOLD})
"""Why it is not judged who has less than is due."""
_LEFT_OUT: Final[Mapping[NotPausable, ShareKept]] = MappingProxyType(
    {
        NotPausable.CANNOT_BE_PAUSED: ShareKept.NOT_PAUSABLE,
        NotPausable.LONG_KERNELS: ShareKept.LONG_KERNELS,
        NotPausable.ON_SEVERAL_CARDS: ShareKept.ON_SEVERAL_CARDS,
        NotPausable.STANDS_STILL: ShareKept.NOT_NEEDED,
        NotPausable.KEPT_BY_ENGINE: ShareKept.NOT_NEEDED,
    }
)
"""How it stands with the share of a slice that takes no turns, by why that is so."""


def decide_turns(use: CardUse, past: PastCompute, period: timedelta = PERIOD) -> ComputeDecision:
    """Return who takes turns from now on; what is decided again on its own result stays."""
    known = {each.slice_id for each in use}
    rests = {who: rest for who, rest in past.rests.items() if who in known}
    left_at = {who: at for who, at in past.left_at.items() if who in known}
    past = replace(past, rests=rests, left_at=left_at)
    if use.closed:
        return _all_run(use, past, ShareKept.CLOSED)
    if use.moving:
        return _all_run(use, past, ShareKept.MOVING)
    if use.busy is None or any(each.used is None for each in use):
        return _all_run(use, past, ShareKept.NOT_TOLD)
    if past.round is None:
        return _begin(use, past, period)
    return _go_on(
        use,
        replace(past, proofs=past.proofs.measured(use, past.round.opened_ones)),
        past.round,
        period,
    )


def judge_without_turns(use: CardUse) -> Mapping[SliceId, ShareKept]:
    """Return how it stands with each share on a card where no turns are ever taken."""
    if use.busy is None or any(each.used is None for each in use):
        return _all_run(use, PastCompute(), ShareKept.NOT_TOLD).kept
    less = who_gets_less([each for each in use if computes(each)])
    return {
        each.slice_id: ShareKept.TURNS_OFF
        if (each.slice_id in less and is_full(use)) or may_be_beyond_its_cap(each, use)
        else ShareKept.NOT_NEEDED
        for each in use
    }


def _begin(use: CardUse, past: PastCompute, period: timedelta) -> ComputeDecision:
    past = replace(past, corrections={})
    shared = _share(use, past, period)
    if shared is not None:
        return shared
    beyond = [each for each in use if is_beyond_its_cap(each)]
    if beyond:
        closed = [each for each in beyond if may_take_turns(each, past, use.now)]
        opened = [each for each in beyond if each not in closed]
        return _change(use, past, Round(()), closed, opened, (), period)
    computing = [each for each in use if computes(each)]
    why = _why_not_helped(computing, past, use.now)
    return _all_run(use, past, ShareKept.NOT_NEEDED, dict.fromkeys(who_gets_less(computing), why))


def _share(use: CardUse, past: PastCompute, period: timedelta) -> ComputeDecision | None:
    """Begin turns by which each has its share, where somebody gets less of a full card."""
    if not is_full(use):
        return None
    candidates = [each for each in use if computes(each) and may_take_turns(each, past, use.now)]
    opened = who_opens(candidates, (), who_may_open(use, past.rests, ids_of(candidates)), use)
    opened = opened[: room_beside(len(candidates), period)]
    taking = [*candidates, *opened]
    if not who_gets_less(taking, runs_freely(use, taking)) & ids_of(candidates):
        return None
    past = replace(past, corrections=first_turns(use, past, Round(()), candidates, opened))
    return _take(use, past, candidates, period, opened)


def _go_on(use: CardUse, past: PastCompute, taken: Round, period: timedelta) -> ComputeDecision:
    """Judge the turns that are being taken by what was measured of them alone."""
    pausable = {each.slice_id: each for each in use if each.not_pausable is None}
    staying = [pausable[p.slice_id] for p in taken.places if p.slice_id in pausable]
    beside = [pausable[p.slice_id] for p in taken.opened if p.slice_id in pausable]
    if past.since is None or use.measured_from < past.since:
        if (len(staying), len(beside)) == (len(taken.places), len(taken.opened)):
            return _decided(use, past)
        return _take(use, past, staying, period, beside)
    idle_since = {
        each.slice_id: past.idle_since.get(each.slice_id, use.now)
        for each in beside
        if not computes(each)
    }
    past = replace(past, idle_since=idle_since)
    at_caps = are_at_caps([*staying, *beside])
    granted = granted_parts(use, taken, period)
    going_on = [each for each in staying if not has_stopped(each, granted[each.slice_id])]
    judged = [e for e in staying if not at_caps or may_take_turns(e, past, use.now)]
    if at_caps and len(staying) == 1:
        # Whoever has turns with nobody holds nobody up by them.
        filling = [each for each in judged if each in going_on]
        again: list[ComputingSlice] = []
    else:
        past, filling, again = who_fills(use, past, taken, judged, granted)
    opened = who_stays_open(beside, taken, past.rests, idle_since, use.now)
    # Whoever computes for a moment again and again is not freed each time.
    opened += again if filling else []
    if at_caps or are_at_caps([*filling, *opened]):
        # Whoever does not fill its turns has no more than it may, all the same.
        opened += [each for each in going_on if each not in filling and each not in again]
    stay = ids_of([*filling, *opened])
    left = taken.who - stay
    joining, new = who_joins(use, past, filling, opened, left)
    return _change(use, past, taken, [*filling, *joining], [*opened, *new], again, period)


def _change(  # noqa: PLR0913, PLR0917 (those who take turns, and who has open ones)
    use: CardUse,
    past: PastCompute,
    taken: Round,
    closed: Sequence[ComputingSlice],
    opened: Sequence[ComputingSlice],
    again: Sequence[ComputingSlice],
    period: timedelta,
) -> ComputeDecision:
    """Let these take turns from now on; set right those that go on taking the same ones."""
    if not closed and are_at_caps(opened):
        # Nobody is held up by those that do not fill turns which are nobody's.
        closed, opened = opened, ()
    room = room_beside(len(closed), period)
    there = [each for each in opened if each.slice_id in taken.who]
    new = [each for each in opened if each.slice_id not in taken.who]
    opened = [*there, *new][:room]
    if (ids_of(closed), ids_of(opened)) == (taken.closed_ones, taken.opened_ones) and not again:
        return _correct(use, past, taken, closed, opened, period)
    corrections = first_turns(use, past, taken, closed, opened)
    corrections |= {each.slice_id: UNSEEN for each in again}
    return _take(use, replace(past, corrections=corrections), closed, period, opened)


def _correct(  # noqa: PLR0913, PLR0917 (those who take turns, and who has open ones)
    use: CardUse,
    past: PastCompute,
    taken: Round,
    slices: Sequence[ComputingSlice],
    opened: Sequence[ComputingSlice],
    period: timedelta,
) -> ComputeDecision:
    """Make turns longer of who had less than is due, though it used all of them.

    Who has more, as it does not come to rest in time, leaves them where that does not help.
    """
    if past.short_since or not were_taken(use):
        return _decided(use, past)
    taking = [*slices, *opened]
    freely = runs_freely(use, taking)
    if are_at_caps(taking):
        corrections = corrected_for_caps(past.corrections, slices, opened, freely)
        return _take(use, replace(past, corrections=corrections), slices, period, opened)
    since = {
        each.slice_id: past.runs_on_since.get(each.slice_id, use.now)
        for each in who_runs_on(slices, past.corrections, taken)
    }
    past = replace(past, runs_on_since=since)
    run_on = {who for who in since if use.now - since[who] >= RUNS_ON_AFTER}
    if run_on:
        more = {who: longer_rest(past.rests.get(who), use.now, ShareKept.RUNS_ON) for who in run_on}
        past = replace(past, rests={**past.rests, **more}, runs_on_since={}, corrections={})
        return _take(use, past, [each for each in slices if each.slice_id not in run_on], period)
    corrections = corrected(past.corrections, slices, opened, freely)
    return _take(use, replace(past, corrections=corrections), slices, period, opened)


def _take(
    use: CardUse,
    past: PastCompute,
    slices: Sequence[ComputingSlice],
    period: timedelta,
    opened: Sequence[ComputingSlice] = (),
) -> ComputeDecision:
    """Take turns from now on. ``opened``: who runs beside the others in an open one."""
    if not slices:
        return _all_run(use, past, ShareKept.NOT_NEEDED)
    if not fits_a_period(len(slices) + len(opened), period):
        return _all_run(use, past, ShareKept.TOO_MANY)
    ordered, opened = sorted(slices, key=in_order), sorted(opened, key=in_order)
    taking = [*ordered, *opened]
    at_caps = are_at_caps(taking)
    due = dues_beside(taking, runs_freely(use, taking))
    of_all = sum(due.values(), Fraction(0))
    if not at_caps and of_all:
        due = {who: part / of_all for who, part in due.items()}
    weighed = {e.slice_id: due[e.slice_id] * _correction(e, past) for e in ordered}
    if not any(weighed.values()):
        # All is due to those beside: what these leave is divided by weight.
        weighed = {e.slice_id: Fraction(e.weight) for e in ordered}
    total, whole = sum(weighed.values(), Fraction(0)), Fraction(1)
    if at_caps:
        # What is left is nobody's. Alone, who needs all of it runs freely.
        least = least_idle(period) if len(ordered) > 1 else Fraction(0)
        whole = min(1 - least, total)
    parts = {w: part * whole / total for w, part in weighed.items()}
    beside = {e.slice_id: min(Fraction(1), due[e.slice_id] * _correction(e, past)) for e in opened}
    taken = make_round(ordered, parts | beside, period, opened)
    if len(taken.who) < 2 and not taken.idle:  # noqa: PLR2004 (two, or one and nobody)
        return _all_run(use, past, ShareKept.NOT_NEEDED)
    if taken != past.round:
        proofs = past.proofs.begun(taken.who, use.now, capped=at_caps)
        past = replace(past, round=taken, since=use.now, short_since={}, proofs=proofs)
    return _decided(use, past)


def _correction(each: ComputingSlice, past: PastCompute) -> Fraction:
    return past.corrections.get(each.slice_id, Fraction(1))


def _decided(use: CardUse, past: PastCompute) -> ComputeDecision:
    taken = past.round or Round(())

    def kept(each: ComputingSlice) -> ShareKept:
        # Who keeps an open turn for a while though it computes no longer needs none.
        if each.slice_id in taken.closed_ones or (each.slice_id in taken.who and computes(each)):
            return past.proofs.kept(each.slice_id, use.now)
        if not may_need_turns(each, use):
            return ShareKept.NOT_NEEDED
        if each.not_pausable is not None:
            return _LEFT_OUT[each.not_pausable]
        rest = rest_of(each.slice_id, past.rests, use.now)
        return ShareKept.NOT_NEEDED if rest is None else rest.why

    return ComputeDecision(past, {each.slice_id: kept(each) for each in use})


def _all_run(
    use: CardUse,
    past: PastCompute,
    why: ShareKept,
    less: Mapping[SliceId, ShareKept] = MappingProxyType({}),
) -> ComputeDecision:
    """Let all run freely. ``less``: who gets less than its due, and why that cannot be helped."""

    def kept(each: ComputingSlice) -> ShareKept:
        if not may_need_turns(each, use):
            return ShareKept.NOT_NEEDED
        if why in _NOBODY_KNOWS:
            return why
        if each.not_pausable is not None:
            return _LEFT_OUT[each.not_pausable]
        rest = rest_of(each.slice_id, past.rests, use.now)
        if rest is not None:
            return rest.why
        return less.get(each.slice_id, why)

    past = PastCompute(rests=past.rests, left_at=past.left_at)
    return ComputeDecision(past, {each.slice_id: kept(each) for each in use})


def _why_not_helped(
    computing: Sequence[ComputingSlice], past: PastCompute, now: datetime
) -> ShareKept:
    """Return why turns help nobody who gets less: by those that have more and take none."""
    due, had = dues(computing), sum(used(each) for each in computing)
    freely = [each for each in computing if not may_take_turns(each, past, now)]
    more = [each for each in freely if used(each) > float(due[each.slice_id]) * had] or freely
    reasons = {each.not_pausable for each in more}
    if reasons - {None, NotPausable.STANDS_STILL}:
        return ShareKept.ALONE_PAUSABLE
    if None not in reasons:
        # Who stands still by now was measured while it ran.
        return ShareKept.NOT_NEEDED
    rests = {
        rest.why for each in more if (rest := rest_of(each.slice_id, past.rests, now)) is not None
    }
    runs_on = rests == {ShareKept.RUNS_ON}
    return ShareKept.ALONE_PAUSABLE if runs_on else ShareKept.OTHERS_WAIT
