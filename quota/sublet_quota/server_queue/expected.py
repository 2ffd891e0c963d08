"""When there will be room for those in line: from ends that are known, and from what was before.

Each in its order gets the card on which enough is free first, as slices there end, where limits
have room for it beside those before (``due_limits``): at an end that is known, else when half of
the slices of that type that were held as long as this one were gone; on a closed card that opens at
a stated time, then at the earliest. Where too few were held, no end is told: never a made-up time.
What others would make way for, and that those in line leave again, is not counted on; but for who
surely has their turn when a reservation or an exception ends (``rights_ends``), where that is
sooner. Of a card that may be kept for a reservation by then (``kept_times``) no time is told to who
would borrow there.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.slice_admission import Option
from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.finding.making_way import Missing
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.reasons.derivation import Rule
from sublet_quota.reasons.refusals.room import SHORT_ON_NODE, RoomRefusal
from sublet_quota.reasons.server_queue import Expected, ExpectedFrom
from sublet_quota.residency.snapshot import Rank
from sublet_quota.server_queue.due_limits import DueLimits
from sublet_quota.server_queue.kept_times import KeptTimes
from sublet_quota.server_queue.rights_ends import RightsEnd
from sublet_quota.server_queue.walk import Behind, Step, cards_for, opening
from sublet_quota.shares.fair_order import RequestId

MOST_RECKONED: Final = 50
"""For so many of the line it is reckoned when there will be room."""
LEAST_KNOWN: Final = 3
"""From fewer slices that were held as long nothing follows."""


_LESS_SURE: Final = (
    ExpectedFrom.CARD_OPENS,
    ExpectedFrom.KNOWN_ENDS,
    ExpectedFrom.IDLE_ENDS,
    ExpectedFrom.HELD_BEFORE,
)
"""What ends follow from, the surest first: a time is as sure as the least sure of its ends."""
_UNKNOWN: Final = SHORT_ON_NODE | {RoomRefusal.BORROWS_NO_MORE}
"""What no end of slices on cards brings."""
FAR_BACK: Final = Expected(None, ExpectedFrom.FAR_BACK)


@dataclass(frozen=True, slots=True)
class Ends:
    """What is known of when slices end."""

    now: datetime
    of_slices: Mapping[SliceId, datetime] = field(default_factory=dict)
    """When slices end for sure, or are sure to make room."""
    of_idle: Mapping[SliceId, datetime] = field(default_factory=dict)
    """When slices end whose owners were warned that they are idle, unless they come back."""
    held: Mapping[str, Sequence[timedelta]] = field(default_factory=dict)
    """How long notebooks' slices of a GPU type were held lately, the shortest first."""
    of_rights: Mapping[RequestId, RightsEnd] = field(default_factory=dict)
    """Whose turn comes when a reservation or an exception ends."""
    kept: KeptTimes = field(default_factory=KeptTimes)
    """From when on cards may be kept for reservations."""

    def end_of(self, holding: Holding, gpu_type: str) -> tuple[datetime, ExpectedFrom] | None:
        """Return when a slice ends, and from what that follows; ``None``: it is not known."""
        known = self.of_slices.get(holding.slice_id)
        if known is not None:
            return max(known, self.now), ExpectedFrom.KNOWN_ENDS
        warned = self.of_idle.get(holding.slice_id)
        if warned is not None:
            return max(warned, self.now), ExpectedFrom.IDLE_ENDS
        lengths = self.held.get(gpu_type, ())
        longer = lengths[bisect_right(lengths, self.now - holding.since) :]
        if len(longer) < LEAST_KNOWN:
            return None
        median = longer[(len(longer) - 1) // 2]
        return holding.since + median, ExpectedFrom.HELD_BEFORE


class Reckoning:
    """When there will be room for one after another of the line."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._reckoned = 0
        self._due: dict[GpuId, GpuAmount] = {}
        """By card: what those before will have there."""
        self._limits = DueLimits()

    def of(self, step: Step) -> Expected:
        """Return when there will be room for the next one of the line."""
        answer = step.answer
        if isinstance(answer, Placement):
            self._give(answer.gpu_id, answer.amount)
            self._limits.take_placed(step.question, answer)
            return Expected(None, ExpectedFrom.TURN_NOW)
        found, due = self._by_ends(step), self._ends.of_rights.get(step.server.request_id)
        if due is None or (found.at is not None and found.at <= due.at):
            return found
        self._give(due.placement.gpu_id, due.placement.amount)
        self._limits.take_placed(step.question, due.placement)
        return Expected(due.at, due.by, due.gpu_type)

    def _by_ends(self, step: Step) -> Expected:
        """Return when there will be room for one by the ends of slices, or of a closing."""
        answer = step.answer
        if isinstance(answer, Behind) and answer.limit is not None:
            return Expected(None, ExpectedFrom.LIMIT)
        if isinstance(answer, Denial):
            if answer.code is RoomRefusal.GPUS_CLOSED:
                return self._opening(step.question, answer)
            if answer.code in _UNKNOWN:
                return Expected(None, ExpectedFrom.NOTHING_KNOWN)
            if answer.rule is not Rule.ROOM:
                by_limit = answer.rule is Rule.LIMIT
                return Expected(
                    None, ExpectedFrom.LIMIT if by_limit else ExpectedFrom.NOTHING_KNOWN
                )
        if self._reckoned == MOST_RECKONED:
            return FAR_BACK
        self._reckoned += 1
        return self._first_room(step.question)

    def _opening(self, question: Question, denial: Denial) -> Expected:
        cards = (question.holdings.gpu(gpu_id) for gpu_id in denial.closed)
        until = [card.closed_until for card in cards if card is not None and card.closed_until]
        if not until:
            return Expected(None, ExpectedFrom.NOTHING_KNOWN)
        return Expected(max(min(until), self._ends.now), ExpectedFrom.CARD_OPENS)

    def _first_room(self, question: Question) -> Expected:
        options = question.admission.options
        left = [option for option in options if self._limits.leave(question, option)]
        if options and not left:
            return Expected(None, ExpectedFrom.LIMIT)
        known = [
            (at, option, facts, by)
            for option in left
            for facts, missing in (*cards_for(question, option), *opening(question, option))
            if (when := self._room_at(question, option, facts, missing)) is not None
            for at, by in (when,)
        ]
        found = [
            (at, option, facts, by)
            for at, option, facts, by in known
            if not self._is_kept_by_then(question, option, facts, at)
        ]
        if not found:
            for option in left[:1]:
                self._limits.take(question, option)
            return Expected(None, ExpectedFrom.RESERVED if known else ExpectedFrom.NOTHING_KNOWN)
        at, option, facts, by = min(found, key=lambda one: (one[0], one[2].node, one[2].index))
        self._give(facts.gpu_id, option.asked.amount)
        self._limits.take(question, option)
        return Expected(at, by, option.asked.gpu_type)

    def _is_kept_by_then(
        self, question: Question, option: Option, facts: GpuFacts, at: datetime
    ) -> bool:
        """Whether a card may be kept for a reservation of others than who would borrow there."""
        is_borrowed, kept = option.rank is Rank.BORROWED, self._ends.kept
        return is_borrowed and kept.bars(question.holdings.document, facts.gpu_id, option.group, at)

    def _room_at(
        self, question: Question, option: Option, facts: GpuFacts, missing: Missing
    ) -> tuple[datetime, ExpectedFrom] | None:
        """Return when enough of an open card is free beside what those before will have there."""
        due = self._due.get(facts.gpu_id, NOTHING)
        left = Missing(
            missing.memory_mib + due.memory_mib, missing.compute_milli + due.compute_milli
        )
        ending = sorted(
            (*end, one.slice_id, one.amount)
            for one in question.holdings.slices_on(facts.gpu_id)
            if one.is_notebook
            and not one.called_back
            and (end := self._ends.end_of(one, option.asked.gpu_type)) is not None
        )
        at, by = self._ends.now, ExpectedFrom.KNOWN_ENDS
        if facts.closed is not None and facts.closed_until is not None:
            at, by = max(at, facts.closed_until), ExpectedFrom.CARD_OPENS
        for ends_at, follows_from, _, amount in ending:
            if left.is_nothing:
                break
            left = left.without(amount)
            if ends_at > at or follows_from is not ExpectedFrom.KNOWN_ENDS:
                by = max(by, follows_from, key=_LESS_SURE.index)
            at = max(at, ends_at)
        return (at, by) if left.is_nothing else None

    def _give(self, gpu_id: GpuId, amount: GpuAmount) -> None:
        self._due[gpu_id] = self._due.get(gpu_id, NOTHING) + amount
