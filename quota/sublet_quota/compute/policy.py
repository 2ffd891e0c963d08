"""Whether slices take turns of computing on a card, and which: from what was measured last.

All run freely, sliced by the driver, but where the card is full and somebody gets less than is due
to them. Then those that fill it take turns, each in its own at full speed, which costs nothing and
often gains. Who does not fill its own turns has to wait for its program, not for the card: turns
would keep nobody's share there and waste half of the card. It runs freely beside the others, and is
tried again after a rest that doubles. What cannot be paused runs freely, too. Who fills its turns
is judged by those that it had: a busy machine may take them late, or none for a while. Who has more
than is due by ever shorter turns, as its kernels run on beyond them, runs freely for a while, too.

Who may not have all of a card, and has more, takes turns too, with nobody: alone, or with others
that are capped alike. Such turns are as long as it takes to have what is allowed, by a program that
fills them or not; where it has no more than that though it runs all the time, it runs freely.

The past that a decision needs is a value that it returns; nothing else is remembered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from sublet_quota.compute.card_use import CardUse, ComputingSlice, NotPausable
from sublet_quota.compute.dues import dues, in_order
from sublet_quota.compute.measured import (
    FULL,
    ROUNDED,
    computes,
    is_beyond_its_cap,
    is_full,
    may_be_beyond_its_cap,
    used,
    were_taken,
    who_gets_less,
    who_has_more,
)
from sublet_quota.compute.proofs import Proofs
from sublet_quota.compute.rests import Rest, longer_rest
from sublet_quota.compute.turns import Round, fits_a_period, least_idle, make_round
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import ShareKept

PERIOD: Final = timedelta(milliseconds=100)
FILLS: Final = 0.96
"""Who uses so much of its own turns, but for a switch each, fills them."""
SWITCH: Final = timedelta(milliseconds=1)
"""What of a turn may go by before its slice computes."""
SURE_AFTER: Final = timedelta(seconds=1)
"""For so long a slice is seen not to fill its turns before that counts: figures are of a second."""
RUNS_ON_AFTER: Final = timedelta(seconds=15)
"""For so long a slice has more by the shortest turns before it takes none: machines are busy."""
_CORRECTED_AT_MOST: Final = Fraction(3)
_CORRECTED_BY: Final = Fraction(1, 4)
"""By how much of what was off the next turns are longer or shorter: figures are rounded."""
_NOBODY_KNOWS: Final = frozenset({ShareKept.MOVING, ShareKept.CLOSED, ShareKept.NOT_TOLD})
"""Why it is not judged who has less than is due."""
_LEFT_OUT: Final[Mapping[NotPausable, ShareKept]] = MappingProxyType(
    {
        NotPausable.CANNOT_BE_PAUSED: ShareKept.NOT_PAUSABLE,
        NotPausable.ON_SEVERAL_CARDS: ShareKept.ON_SEVERAL_CARDS,
        NotPausable.STANDS_STILL: ShareKept.NOT_NEEDED,
        NotPausable.KEPT_BY_ENGINE: ShareKept.NOT_NEEDED,
    }
)
"""How it stands with the share of a slice that takes no turns, by why that is so."""


@dataclass(frozen=True, slots=True)
class PastCompute:
    """What is remembered of a card from one decision to the next."""

    round: Round | None = None
    """The turns that are being taken."""
    since: datetime | None = None
    """Since when they are those."""
    rests: Mapping[SliceId, Rest] = field(default_factory=dict)
    short_since: Mapping[SliceId, datetime] = field(default_factory=dict)
    """Since when those that take turns have not been seen to fill them."""
    runs_on_since: Mapping[SliceId, datetime] = field(default_factory=dict)
    """Since when those have more than is due whose turns are as short as they are ever made."""
    corrections: Mapping[SliceId, Fraction] = field(default_factory=dict)
    """By how much each one's turn is longer than its due, so that it has that."""
    proofs: Proofs = field(default_factory=Proofs)
    """Whether that was seen to give them what is due."""


@dataclass(frozen=True, slots=True)
class ComputeDecision:
    """Who takes turns from now on, and how it stands with each share."""

    past: PastCompute
    kept: Mapping[SliceId, ShareKept]

    @property
    def round(self) -> Round | None:
        """The turns to take; ``None``: all run freely."""
        return self.past.round


def decide_turns(use: CardUse, past: PastCompute, period: timedelta = PERIOD) -> ComputeDecision:
    """Return who takes turns from now on; what is decided again on its own result stays."""
    known = {each.slice_id for each in use}
    rests = {who: rest for who, rest in past.rests.items() if who in known}
    past = replace(past, rests=rests)
    if use.closed:
        return _all_run(use, past, ShareKept.CLOSED)
    if use.moving:
        return _all_run(use, past, ShareKept.MOVING)
    if use.busy is None or any(each.used is None for each in use):
        return _all_run(use, past, ShareKept.NOT_TOLD)
    if past.round is None:
        return _begin(use, past, period)
    return _go_on(use, replace(past, proofs=past.proofs.measured(use)), past.round, period)


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
    if use.busy is None:
        return _all_run(use, past, ShareKept.NOT_TOLD)
    past = replace(past, corrections={})
    computing = [each for each in use if computes(each)]
    candidates = [each for each in computing if _may_take_turns(each, past, use.now)]
    if use.busy >= FULL and who_gets_less(candidates):
        return _take(use, past, candidates, period)
    beyond = [each for each in use if is_beyond_its_cap(each)]
    if beyond:
        return _take(use, past, beyond, period)
    why = _why_not_helped(computing, past, use.now)
    return _all_run(use, past, ShareKept.NOT_NEEDED, dict.fromkeys(who_gets_less(computing), why))


def _go_on(use: CardUse, past: PastCompute, taken: Round, period: timedelta) -> ComputeDecision:
    """Judge the turns that are being taken by what was measured of them alone."""
    by_id = {each.slice_id: each for each in use}
    there = [by_id[p.slice_id] for p in taken.places if p.slice_id in by_id]
    staying = [each for each in there if each.not_pausable is None]
    if past.since is None or use.measured_from < past.since:
        if len(staying) == len(taken.places):
            return _decided(use, past)
        return _take(use, past, staying, period)
    if taken.idle:
        return _keep_caps(use, past, taken, staying, period)
    beside = use.foreign + sum(used(each) for each in use if each.slice_id not in taken.who)
    for_turns = max(0.0, 1.0 - beside)
    parts, rests, filling = taken.parts, dict(past.rests), []
    short_since: dict[SliceId, datetime] = {}
    for each in staying:
        had = parts[each.slice_id] if each.turns is None else each.turns
        granted = had * for_turns - SWITCH / period
        if _has_stopped(each, granted):
            continue
        if _fills(each, granted):
            filling.append(each)
            if had > 0:
                rests.pop(each.slice_id, None)
            continue
        since = past.short_since.get(each.slice_id, use.now)
        if use.now - since >= SURE_AFTER:
            before, why = past.rests.get(each.slice_id), ShareKept.WAITS_FOR_PROGRAM
            rests[each.slice_id] = longer_rest(before, use.now, why)
        else:
            filling.append(each)
            short_since[each.slice_id] = since
    joining = [
        each
        for each in use
        if each.slice_id not in taken.who
        and computes(each)
        and _may_take_turns(each, replace(past, rests=rests), use.now)
    ]
    past = replace(past, rests=rests, short_since=short_since)
    if len(filling) == len(taken.places) and not joining:
        return _correct(use, past, taken, filling, period)
    return _take(use, replace(past, corrections={}), [*filling, *joining], period)


def _keep_caps(
    use: CardUse,
    past: PastCompute,
    taken: Round,
    staying: Sequence[ComputingSlice],
    period: timedelta,
) -> ComputeDecision:
    """Judge turns of which a part is nobody's: those who take them have no more than they may."""
    computing = [each for each in use if computes(each)]
    candidates = [each for each in computing if _may_take_turns(each, past, use.now)]
    if use.busy is not None and use.busy >= FULL and who_gets_less(candidates):
        return _take(use, replace(past, corrections={}), candidates, period)
    capped = []
    for each in staying:
        had = taken.parts[each.slice_id] if each.turns is None else each.turns
        if not _has_stopped(each, had - SWITCH / period):
            capped.append(each)
    capped += [e for e in use if e.slice_id not in taken.who and is_beyond_its_cap(e)]
    corrections = dict(past.corrections)
    for each in staying:
        if were_taken(use):
            before = corrections.get(each.slice_id, Fraction(1))
            off = Fraction(used(each)) / each.cap - 1
            most = max(Fraction(1), 1 / each.cap)
            longer = before / (1 + off * _CORRECTED_BY)
            corrections[each.slice_id] = _bounded(longer, most)
    return _take(use, replace(past, corrections=corrections), capped, period)


def _correct(
    use: CardUse,
    past: PastCompute,
    taken: Round,
    slices: Sequence[ComputingSlice],
    period: timedelta,
) -> ComputeDecision:
    """Make turns longer of who had less than is due, though it used all of them.

    Who has more, as it does not come to rest in time, leaves them where that does not help.
    """
    if past.short_since or not were_taken(use):
        return _decided(use, past)
    due, had = dues(slices), sum(used(each) for each in slices)
    since = {
        each.slice_id: past.runs_on_since.get(each.slice_id, use.now)
        for each in _run_on(slices, past, taken)
    }
    past = replace(past, runs_on_since=since)
    run_on = {who for who in since if use.now - since[who] >= RUNS_ON_AFTER}
    if run_on:
        more = {who: longer_rest(past.rests.get(who), use.now, ShareKept.RUNS_ON) for who in run_on}
        past = replace(past, rests={**past.rests, **more}, runs_on_since={}, corrections={})
        return _take(use, past, [each for each in slices if each.slice_id not in run_on], period)
    off = {
        each.slice_id: Fraction(used(each) / had) / due[each.slice_id]
        for each in slices
        if due[each.slice_id] > 0 and had > 0
    }
    corrections = {
        each.slice_id: _bounded(
            past.corrections.get(each.slice_id, Fraction(1))
            / (1 + (off.get(each.slice_id, Fraction(1)) - 1) * _CORRECTED_BY)
        )
        for each in slices
    }
    return _take(use, replace(past, corrections=corrections), slices, period)


def _run_on(
    slices: Sequence[ComputingSlice], past: PastCompute, taken: Round
) -> list[ComputingSlice]:
    """Return who has more than is due though its turns are as short as they are ever made.

    Not whose turns were longer than meant: that is the machine's doing.
    """
    more, parts = who_has_more(slices), taken.parts
    return [
        each
        for each in slices
        if each.slice_id in more
        and past.corrections.get(each.slice_id, Fraction(1)) <= 1 / _CORRECTED_AT_MOST
        and (each.turns is None or each.turns <= parts[each.slice_id] + ROUNDED)
    ]


def _take(
    use: CardUse, past: PastCompute, slices: Sequence[ComputingSlice], period: timedelta
) -> ComputeDecision:
    if not slices:
        return _all_run(use, past, ShareKept.NOT_NEEDED)
    if not fits_a_period(len(slices), period):
        return _all_run(use, past, ShareKept.TOO_MANY)
    ordered = sorted(slices, key=in_order)
    due = dues(ordered)
    weighed = {w: due[w] * past.corrections.get(w, Fraction(1)) for w in due}
    total, whole = sum(weighed.values()), sum(due.values())
    if whole < 1:
        # All are at their caps: what is left is nobody's. Alone, who needs all of it runs freely.
        least = least_idle(period) if len(ordered) > 1 else Fraction(0)
        whole = min(1 - least, total)
    taken = make_round(ordered, {w: part * whole / total for w, part in weighed.items()}, period)
    if len(taken.places) < 2 and not taken.idle:  # noqa: PLR2004 (two, or one and nobody)
        return _all_run(use, past, ShareKept.NOT_NEEDED)
    if taken != past.round:
        proofs = past.proofs.begun(taken.who, use.now, capped=bool(taken.idle))
        past = replace(past, round=taken, since=use.now, short_since={}, proofs=proofs)
    return _decided(use, past)


def _decided(use: CardUse, past: PastCompute) -> ComputeDecision:
    taken = past.round or Round(())

    def kept(each: ComputingSlice) -> ShareKept:
        if each.slice_id in taken.who:
            return past.proofs.kept(each.slice_id, use.now)
        if not _may_need_turns(each, use):
            return ShareKept.NOT_NEEDED
        if each.not_pausable is not None:
            return _LEFT_OUT[each.not_pausable]
        rest = _rest(each, past, use.now)
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
        if not _may_need_turns(each, use):
            return ShareKept.NOT_NEEDED
        if why in _NOBODY_KNOWS:
            return why
        if each.not_pausable is not None:
            return _LEFT_OUT[each.not_pausable]
        rest = _rest(each, past, use.now)
        if rest is not None:
            return rest.why
        return less.get(each.slice_id, why)

    past = PastCompute(rests=past.rests)
    return ComputeDecision(past, {each.slice_id: kept(each) for each in use})


def _may_need_turns(each: ComputingSlice, use: CardUse) -> bool:
    """Whether a slice may have less than its share, as it computes on a full card, or too much.

    As far as the card tells: what is not known may be so.
    """
    may_compute = each.used is None or computes(each)
    return (is_full(use) and may_compute) or may_be_beyond_its_cap(each, use)


def _fills(each: ComputingSlice, granted: float) -> bool:
    return used(each) + ROUNDED >= FILLS * granted


def _has_stopped(each: ComputingSlice, granted: float) -> bool:
    """Whether who takes turns computes no longer: not where it had no more than it used."""
    if computes(each):
        return False
    awaited = each.runs_a_cell or each.is_job
    return each.stopped or not (awaited or _fills(each, granted))


def _may_take_turns(each: ComputingSlice, past: PastCompute, now: datetime) -> bool:
    return each.not_pausable is None and _rest(each, past, now) is None


def _rest(each: ComputingSlice, past: PastCompute, now: datetime) -> Rest | None:
    rest = past.rests.get(each.slice_id)
    return rest if rest is not None and now < rest.until else None


def _why_not_helped(
    computing: Sequence[ComputingSlice], past: PastCompute, now: datetime
) -> ShareKept:
    """Return why turns help nobody who gets less: by those that have more and take none."""
    due, had = dues(computing), sum(used(each) for each in computing)
    freely = [each for each in computing if not _may_take_turns(each, past, now)]
    more = [each for each in freely if used(each) > float(due[each.slice_id]) * had] or freely
    reasons = {each.not_pausable for each in more}
    if reasons - {None, NotPausable.STANDS_STILL}:
        return ShareKept.ALONE_PAUSABLE
    if None not in reasons:
        # Who stands still by now was measured while it ran.
        return ShareKept.NOT_NEEDED
    rests = {rest.why for each in more if (rest := _rest(each, past, now)) is not None}
    runs_on = rests == {ShareKept.RUNS_ON}
    return ShareKept.ALONE_PAUSABLE if runs_on else ShareKept.OTHERS_WAIT


def _bounded(correction: Fraction, most: Fraction = _CORRECTED_AT_MOST) -> Fraction:
    """Return a correction within bounds, and with small numbers."""
    bounded = min(most, max(1 / _CORRECTED_AT_MOST, correction))
    return bounded.limit_denominator(1000)
