"""Slices' places on their cards: called back for others, brought back, charged elsewhere, in grace.

A decision for one slice can concern others: it calls borrowed ones back, or charges them to another
group of their owners. That becomes true together with the slice, in one change of the ledger. What
ends by itself (a grace, a stated time of the quota document) or as room comes is looked for here.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from sublet_quota.admission.jobs_held_back import jobs_to_hold_back
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, SliceId
from sublet_quota.placement.after_leaving import payer_after_leaving
from sublet_quota.placement.called_back import back_to_their_place
from sublet_quota.reasons.quota_changes import QuotaChange, quota_change_words
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.limits import Amounts
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord, SliceRecord
from sublet_hub.slices.reserved_rooms import ReservedRooms
from sublet_hub.state.capacity import Capacity

_Changed = tuple[tuple[SliceRecord, ...], tuple[EventRecord, ...]]


class Deciding(Protocol):
    """What a decision makes of others' slices."""

    @property
    def calls_back(self) -> tuple[SliceId, ...]:
        """The slices that lose their place."""

    @property
    def recharged(self) -> tuple[tuple[SliceId, GroupName], ...]:
        """The slices that another of their owners' groups pays for from now on."""


class Places:
    """The keeper of what becomes of slices because of others, of the document, and of time."""

    def __init__(
        self,
        ledger: Ledger,
        capacity: Capacity,
        reserved: ReservedRooms,
        now: Callable[[], datetime],
        agents_are_back: Callable[[], bool],
    ) -> None:
        self._ledger = ledger
        self._capacity = capacity
        self._reserved = reserved
        self._now = now
        self._agents_are_back = agents_are_back
        self._called_back = {
            each.slice_id for each in ledger.slices.values() if each.called_back_since is not None
        }
        self._says_else = False
        self._may_differ = True
        """Whether anything has changed since what slices are entitled to was stored last."""
        ledger.listen(self._ledger_changed)
        capacity.on_room(self._note_change)

    def take(self, document: QuotaDocument) -> None:
        """Put another document in force; what it makes less counts as before for a while."""
        self._capacity.document_changed(document)
        self._keep_graces(holding.slice_id for holding in self._capacity.holdings.slices())

    def take_missed(self, before: QuotaDocument) -> None:
        """Let count as before what became less since ``before`` was in force, at a start."""
        graced = self._capacity.graced_since(before)
        for holding in graced:
            self._capacity.holdings.put(holding)
        self._keep_graces(holding.slice_id for holding in graced)

    def in_grace(self, records: Iterable[SliceRecord], slice_ids: Iterable[SliceId]) -> _Changed:
        """Return records with the grace of those that begin one now, and what is told of it.

        ``slice_ids``: which of them count as before for a while, as their owners left the group
        that pays. What they become true with is one change: a grace that was stored after what it
        is for would be lost where the service is killed in between.
        """
        now = self._now()
        graces = dict(self._capacity.holdings.graces(slice_ids, now))
        after: list[SliceRecord] = []
        events: list[EventRecord] = []
        for record in records:
            grace = graces.get(record.slice_id)
            if grace is None:
                after.append(record)
                continue
            after.append(replace(record, before_until=grace.until, before_steps=grace.steps))
            events.append(_grace_event(after[-1], now))
        return tuple(after), tuple(events)

    async def pass_time(self) -> None:
        """Take over what the document says by now: who asks at the hour has what begins then.

        What takes long of it is reckoned beside the loop, once for all who ask then.
        """
        await self._capacity.prepare_for_time()
        self._pass_time()

    async def prepare(self) -> None:
        """Reckon out beside the loop what ``look`` takes over next, as far as that takes long.

        What begins at an hour comes last: one that comes meanwhile is reckoned out, too.
        """
        await self._reserved.prepare()
        await self._capacity.prepare_for_time()

    def look(self) -> bool:
        """Take over what time and new room have brought; return whether the document says else."""
        self._pass_time()
        says_else, self._says_else = self._says_else, False
        self._reserved.call_back_due()
        ended = self._capacity.holdings.end_graces(self._now())
        self._keep_graces(ended)
        self._charge_elsewhere(ended)
        self._bring_back()
        self._keep_entitlements()
        return says_else

    def _pass_time(self) -> None:
        self._says_else |= self._capacity.pass_time()

    def _keep_graces(self, slice_ids: Iterable[SliceId]) -> None:
        """Store which of these slices count as before, and until when."""
        now, holdings = self._now(), self._capacity.holdings
        changed: list[SliceRecord] = []
        events: list[EventRecord] = []
        for slice_id in slice_ids:
            record, holding = self._ledger.slices.get(slice_id), holdings.slice(slice_id)
            if record is None or holding is None:
                continue
            grace = holding.before
            until = None if grace is None else grace.until
            steps = None if grace is None else grace.steps
            if (record.before_until, record.before_steps) != (until, steps):
                changed.append(replace(record, before_until=until, before_steps=steps))
                if record.before_until is None or until is None:
                    events.append(_grace_event(changed[-1], now))
        if changed:
            self._ledger.apply(Change(slices=tuple(changed), events=tuple(events)), now)

    def _charge_elsewhere(self, slice_ids: Iterable[SliceId]) -> None:
        """Let other groups pay for slices whose owners have left the one that did."""
        now, holdings = self._now(), self._capacity.holdings
        for slice_id in slice_ids:
            record, holding = self._ledger.slices.get(slice_id), holdings.slice(slice_id)
            if record is None or holding is None or record.is_job or not _has_left(record):
                # For a job it is said in the next round of the queue (``jobs.order.left_groups``).
                continue
            # One after another: what one is charged to has less room for the next.
            after = replace(record, group=payer_after_leaving(holdings, holding), named=False)
            words = quota_change_words(
                QuotaChange.RECHARGED_AFTER_LEAVING, group=after.group, former=record.group
            )
            told = slice_event(EventKind.SLICE_RECHARGED, after, now, words)
            holds_back = _jobs_that_make_way(holdings, holding, after.group)
            others, events = held_back_by(self._ledger, holds_back, after, now)
            self._ledger.apply(Change(slices=(after, *others), events=(told, *events)), now)

    def _bring_back(self) -> None:
        """Give slices that were called back their places again, as far as there is room."""
        if not self._called_back:
            return
        now = self._now()
        away = self._capacity.return_pauses.pausing(self._called_back)
        back = tuple(
            replace(record, called_back_since=None, called_back_for=None)
            for slice_id in back_to_their_place(self._capacity.holdings, away)
            if (record := self._ledger.slices.get(slice_id)) is not None
            and not self._is_kept_away(record)
        )
        words = quota_change_words(QuotaChange.BROUGHT_BACK)
        told = tuple(slice_event(EventKind.SLICE_BROUGHT_BACK, each, now, words) for each in back)
        if back:
            self._ledger.apply(Change(slices=back, events=told), now)

    def _is_kept_away(self, record: SliceRecord) -> bool:
        """Whether the room that a slice left is kept for a reservation; not for one that is due."""
        is_due = self._capacity.holdings.rank(record.slice_id) is Rank.ENTITLED
        return not is_due and self._reserved.is_kept(record)

    def _keep_entitlements(self) -> None:
        """Store what slices are entitled to, where that is something else than before.

        After a start cards are missing until their agents are back: till then what was in force
        before stays stored, for a start that follows soon.
        """
        if not self._may_differ:
            return
        settled, holdings = self._agents_are_back(), self._capacity.holdings
        in_force = holdings.steps_in_force()
        changed: list[SliceRecord] = []
        for slice_id, entitled in holdings.lasting_steps().items():
            record = self._ledger.slices.get(slice_id)
            if record is None:
                continue
            kept = in_force[slice_id]
            if not settled:
                kept = max(kept, record.entitled_in_force or 0)
            if (record.entitled, record.entitled_in_force) != (entitled, kept):
                changed.append(replace(record, entitled=entitled, entitled_in_force=kept))
        if changed:
            self._ledger.apply(Change(slices=tuple(changed)), self._now())
        self._may_differ = not settled

    def _note_change(self) -> None:
        self._may_differ = True

    def _ledger_changed(self, change: Change) -> None:
        self._may_differ |= bool(change.slices or change.released)
        self._called_back.difference_update(change.released)
        for record in change.slices:
            if record.called_back_since is None:
                self._called_back.discard(record.slice_id)
            else:
                self._called_back.add(record.slice_id)


def others_of(
    ledger: Ledger,
    decided: Deciding,
    made: SliceRecord,
    now: datetime,
    moves: Iterable[tuple[SliceId, GpuId]] = (),
) -> _Changed:
    """Return what a decision makes of others' slices, and the events that tell their owners.

    One of ``moves`` goes to another card, and has its place there from now on; until it is there,
    it is called back, unless it is entitled.
    """
    recharged, card_of = dict(decided.recharged), dict(moves)
    concerned: Iterable[SliceId] = dict.fromkeys((*decided.calls_back, *card_of, *recharged))
    records: list[SliceRecord] = []
    events: list[EventRecord] = []
    for slice_id in concerned:
        before = ledger.slices[slice_id]
        after = before
        if slice_id in recharged:
            after = replace(after, group=recharged[slice_id])
            words = quota_change_words(
                QuotaChange.RECHARGED, group=after.group, former=before.group, for_group=made.group
            )
            events.append(_event_for(EventKind.SLICE_RECHARGED, after, made, now, words))
        if slice_id in decided.calls_back:
            after, words = _called_back(ledger, after, card_of.get(slice_id), made.group, now)
            events.append(_event_for(EventKind.SLICE_CALLED_BACK, after, made, now, words))
        elif slice_id in card_of:
            after = after.bound_for(card_of[slice_id])
            card = ledger.gpus[card_of[slice_id]].index
            words = quota_change_words(QuotaChange.MAKES_ROOM, card=card)
            events.append(_event_for(EventKind.SLICE_PLACED, after, made, now, words))
        records.append(after)
    return tuple(records), tuple(events)


def held_back_by(  # noqa: PLR0913 - the facts of a decision
    ledger: Ledger,
    holds_back: Iterable[SliceId],
    made: SliceRecord,
    now: datetime,
    beside: _Changed = ((), ()),
    *,
    on_card: bool = False,
) -> _Changed:
    """Return what a decision makes of others' slices, the jobs among it that stand still for it.

    ``holds_back``: the slices of jobs whose place it takes below a limit, or ``on_card``;
    ``beside``: what else it makes of others (``others_of``).
    """
    records, events = {each.slice_id: each for each in beside[0]}, list(beside[1])
    change = QuotaChange.HELD_BACK_FOR_JOB if made.is_job else QuotaChange.HELD_BACK
    change = QuotaChange.HELD_BACK_ON_CARD if on_card else change
    words = quota_change_words(change, group=made.group)
    for slice_id in holds_back:
        before = records.get(slice_id) or ledger.slices[slice_id]
        records[slice_id] = after = replace(before, held_back_since=now)
        events.append(_event_for(EventKind.JOB_HELD_BACK, after, made, now, words))
    return tuple(records.values()), tuple(events)


def _called_back(
    ledger: Ledger,
    record: SliceRecord,
    moving_to: GpuId | None,
    group: GroupName | None,
    now: datetime,
) -> tuple[SliceRecord, str]:
    """Return what becomes of a slice that loses its place, and the words for that.

    Of a pod it is the cluster that says which card it has: it takes turns there.
    """
    if moving_to is None or record.pod is not None:
        words = quota_change_words(QuotaChange.CALLED_BACK, group=group)
        return record.without_place(now, group), words
    card = ledger.gpus[moving_to].index
    words = quota_change_words(QuotaChange.MOVES, group=group, card=card)
    if moving_to == record.gpu.gpu_id:
        # It was to move away from there, and has not yet.
        stays = record.bound_for(None)
        return replace(stays, called_back_since=None, called_back_for=None), words
    return record.without_place(now, group, moving_to), words


def _event_for(
    kind: EventKind, record: SliceRecord, made: SliceRecord, now: datetime, words: str
) -> EventRecord:
    return replace(slice_event(kind, record, now, words), for_slice_id=made.slice_id)


def _jobs_that_make_way(
    holdings: Holdings, holding: Holding, group: GroupName | None
) -> tuple[SliceId, ...]:
    """Return the slices of jobs whose place a slice takes that a group pays from now on."""
    if group is None:
        return ()
    rights = rights_of(holdings.document, holding.owner, ())
    return jobs_to_hold_back(holdings, rights, None, Amounts(), ((holding, group),))


def _has_left(record: SliceRecord) -> bool:
    """Whether the owner of a slice is a member of the group that pays no more."""
    return record.group is not None and record.group not in record.member_of


def _grace_event(record: SliceRecord, now: datetime) -> EventRecord:
    until = record.before_until
    if until is None:
        words = quota_change_words(QuotaChange.AS_BEFORE_NO_MORE, group=record.group)
        return slice_event(EventKind.SLICE_AS_BEFORE_NO_MORE, record, now, words)
    change = QuotaChange.AS_BEFORE_AFTER_LEAVING if _has_left(record) else QuotaChange.AS_BEFORE
    words = quota_change_words(change, group=record.group, until=until)
    return slice_event(EventKind.SLICE_AS_BEFORE, record, now, words)
