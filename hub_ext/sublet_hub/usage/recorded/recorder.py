"""Records what happens: noted at once, in memory, and stored behind, in batches, beside the loop.

Nothing is decided by it, and nothing waits for it. What was not stored when the service was killed
is lost, and so is what the database does not take: history, and never a slice.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from sublet_quota.amounts.gpu_amounts import MOST_OF_A_CARD_MIB
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import AgentEvent
from sublet_quota.wire.api import SliceRequest
from sublet_quota.wire.event_kinds import EventKind
from sublet_quota.wire.schema import MOST_EXACT

from sublet_hub.ledger.database import LedgerWriteError
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.queued_servers import QueueEntry
from sublet_hub.ledger.recorded import (
    GRANTED,
    QUEUED,
    AskRecord,
    CardRecord,
    CardState,
    CellBlock,
    Happened,
    MovesOfHour,
    RecordedStore,
)
from sublet_hub.ledger.records import Change, EventRecord, SliceRecord
from sublet_hub.ledger.text import within_bytes
from sublet_hub.state.fleet import NodeView
from sublet_hub.usage.recorded.stretches import Stretch, Stretches, packed

MOST_WAITING: Final = 5000
"""How many asks wait to be stored, and how many slices' cells that are over: more are left out."""
MOST_WAITING_OF_OWNER: Final = 50
MOST_OF_NODE: Final = 1000
"""How often a day it is noted that cards of a node stand otherwise; how they do then, later."""
_PARTS_FORGOTTEN: Final = 1000
_LOOKS_WITHIN: Final = timedelta(seconds=1)
_MOST_MOVE_S: Final = 3600.0
"""No move takes longer, whatever an agent says."""
_STORED_AFTER: Final = timedelta(minutes=15)
"""How long a stretch waits for others of its slice before it is stored with them."""
_MOST_GROUPS: Final = 20
_MOST_NAME_BYTES: Final = 100
_LOG = logging.getLogger(__name__)

Answer = SliceRecord | Refusal | QueueEntry


class Recorder:
    """What happened lately, until it is stored."""

    def __init__(
        self,
        ledger: Ledger,
        store: RecordedStore,
        cards: Callable[[], Iterable[GpuFacts]],
        now: Callable[[], datetime],
        keeps: timedelta,
    ) -> None:
        """``cards``: those that there are now. ``keeps``: for how long; 0: nothing is recorded.

        ``LedgerReadError``.
        """
        self._ledger = ledger
        self._store = store
        self._cards_now = cards
        self._now = now
        self._keeps = keeps
        self._stretches = Stretches()
        self._over: list[tuple[SliceId, tuple[Stretch, ...]]] = []
        self._asks: dict[tuple[object, ...], AskRecord] = {}
        self._of_owner: Counter[str] = Counter()
        self._moves: dict[tuple[datetime, str, bool], MovesOfHour] = {}
        self._cards: list[CardRecord] = []
        last = store.last_of_cards() if self.records else {}
        self._last_of_cards = {i: e for i, e in last.items() if e.state is not CardState.GONE}
        self._looked_at: datetime | None = None
        self._noted_on: date | None = None
        self._noted_of: Counter[str] = Counter()
        self._turn = asyncio.Lock()
        if self.records:
            ledger.listen(self._ledger_changed)

    @property
    def keeps(self) -> timedelta:
        """For how long it is known what happened."""
        return self._keeps

    @property
    def records(self) -> bool:
        """Whether anything is recorded."""
        return self._keeps > timedelta()

    def asked(self, request: SliceRequest, answer: Answer) -> None:
        """Note how a notebook server's wish was answered."""
        if not self.records:
            return
        record = _ask_of(request, answer, self._now())
        alike = (record.owner, record.server, record.answer, record.slice_id, _wish_of(record))
        known = self._asks.get(alike)
        if known is not None:
            self._asks[alike] = replace(known, last_at=record.last_at)
        elif (
            len(self._asks) < MOST_WAITING and self._of_owner[record.owner] < MOST_WAITING_OF_OWNER
        ):
            self._asks[alike] = record
            self._of_owner[record.owner] += 1

    def reported(self, view: NodeView) -> None:
        """Take a node's report."""
        if not self.records:
            return
        now = self._now()
        if not self._last_of_cards.keys() >= view.gpus.keys() and self._may_look(view.node, now):
            # Who asks for a card that has just come finds it there.
            self.look_at_cards()
        for slice_id, report in view.slices.items():
            record = self._ledger.slices.get(slice_id)
            if record is not None and record.holder is Holder.NOTEBOOK:
                self._stretches.report(slice_id, report, view.behind, now)

    def happened(self, told: AgentEvent, record: EventRecord, behind: timedelta) -> None:
        """Take what an agent tells, whose clock is ``behind``."""
        if not self.records:
            return
        match told.kind:
            case EventKind.GATE_OPENED:
                held = self._ledger.slices.get(SliceId(told.slice_id or ""))
                if held is not None and held.holder is Holder.NOTEBOOK:
                    at = min(told.at + behind, self._now())
                    self._stretches.gate_opened(held.slice_id, at, timedelta(seconds=told.took_s))
            case EventKind.SUSPENDED | EventKind.RESUMED:
                self._moved(told, record)

    def look_at_cards(self) -> None:
        """Note which cards have come, stand otherwise, or are gone."""
        if not self.records:
            return
        self._looked_at = now = self._now()
        there = {card.gpu_id: card for card in self._cards_now()}
        for gpu_id, card in there.items():
            self._note_card(gpu_id, _card_of(card, now))
        for gpu_id, last in tuple(self._last_of_cards.items()):
            if gpu_id not in there:
                self._note_card(gpu_id, replace(last, at=now, state=CardState.GONE))

    async def store(self) -> None:
        """Store what is due, in another thread."""
        async with self._turn:
            now = self._now()
            happened = self._take(self._stretches.due(now - _STORED_AFTER, now))
            if not happened:
                return
            try:
                await asyncio.to_thread(self._store.add, happened)
            except LedgerWriteError as error:
                _LOG.warning("some of what happened is not recorded: %s", error)

    def store_at_end(self) -> None:
        """Store all, as the service ends. ``LedgerWriteError``."""
        happened = self._take(self._stretches.all(self._now()))
        if happened:
            self._store.add(happened)

    async def forget_old(self, rest_s: float) -> None:
        """Delete what is older than it is kept, in another thread. ``LedgerWriteError``.

        Of very much some at a time, with a rest between: others have their changes stored then.
        """
        before = self._now() - self._keeps
        for _ in range(_PARTS_FORGOTTEN):
            if not await asyncio.to_thread(self._store.forget_some_before, before):
                return
            await asyncio.sleep(rest_s)

    def _take(self, due: Mapping[SliceId, tuple[Stretch, ...]]) -> Happened:
        cells = (*due.items(), *self._over)
        happened = Happened(
            asks=tuple(self._asks.values()),
            cells=tuple(
                CellBlock(slice_id, stretches[-1].ended, packed(stretches))
                for slice_id, stretches in cells
            ),
            moves=tuple(self._moves.values()),
            cards=tuple(self._cards),
        )
        self._over, self._asks, self._moves, self._cards = [], {}, {}, []
        self._of_owner.clear()
        return happened

    def _moved(self, told: AgentEvent, record: EventRecord) -> None:
        hour = self._now().replace(minute=0, second=0, microsecond=0)
        node, leaves = record.node or "", told.kind is EventKind.SUSPENDED
        before = self._moves.get((hour, node, leaves))
        moves, mib, took_s = (
            (0, 0, 0.0) if before is None else (before.moves, before.moved_mib, before.took_s)
        )
        self._moves[hour, node, leaves] = MovesOfHour(
            hour,
            node,
            leaves,
            moves + 1,
            mib + min(told.bytes_mib, MOST_OF_A_CARD_MIB),
            took_s + min(told.took_s, _MOST_MOVE_S),
        )

    def _note_card(self, gpu_id: GpuId, card: CardRecord) -> None:
        last = self._last_of_cards.get(gpu_id)
        if last is not None and replace(card, at=last.at) == last:
            return
        if self._noted_on != card.at.date():
            self._noted_on = card.at.date()
            self._noted_of.clear()
        if self._noted_of[card.node] >= MOST_OF_NODE:
            return
        self._noted_of[card.node] += 1
        if card.state is CardState.GONE:
            del self._last_of_cards[gpu_id]
        else:
            self._last_of_cards[gpu_id] = card
        self._cards.append(card)
        del self._cards[:-MOST_WAITING]

    def _may_look(self, node: str, now: datetime) -> bool:
        """Whether all cards are looked at for one that a node tells anew: that costs."""
        is_today = self._noted_on == now.date()
        if is_today and self._noted_of[node] >= MOST_OF_NODE:
            return False
        since = None if self._looked_at is None else now - self._looked_at
        return since is None or not timedelta() <= since < _LOOKS_WITHIN

    def _ledger_changed(self, change: Change) -> None:
        for slice_id in change.released:
            stretches = self._stretches.end(slice_id, self._now())
            if stretches and len(self._over) < MOST_WAITING:
                self._over.append((slice_id, stretches))


def _ask_of(request: SliceRequest, answer: Answer, now: datetime) -> AskRecord:
    ask_id: str
    match answer:
        case SliceRecord():
            ask_id, told, at = answer.slice_id, GRANTED, min(answer.created_at, now)
        case QueueEntry():
            ask_id, told, at = answer.request_id, QUEUED, min(answer.since, now)
        case Refusal():
            ask_id, told, at = secrets.token_hex(16), answer.reason.value, now
    groups, takes = request.groups[:_MOST_GROUPS], request.takes
    return AskRecord(
        ask_id=ask_id,
        owner=request.owner,
        server=request.server,
        groups=tuple(within_bytes(each, _MOST_NAME_BYTES) for each in groups),
        group=request.group,
        size=request.size,
        memory_mib=_within(request.memory_mib),
        compute_milli=_within(request.compute_milli),
        gpu_type=request.gpu_type,
        never_suspended=request.never_suspended is not None,
        answer=told,
        slice_id=answer.slice_id if isinstance(answer, SliceRecord) else None,
        at=at,
        last_at=now,
        takes_cpu_milli=None if takes is None else takes.cpu_milli,
        takes_memory_mib=None if takes is None else takes.memory_mib,
        takes_of_cap_milli=None if takes is None else takes.of_cap_milli,
    )


def _wish_of(ask: AskRecord) -> tuple[object, ...]:
    """Return what was asked for."""
    return ask.group, ask.size, ask.memory_mib, ask.compute_milli, ask.gpu_type


def _within(amount: int | None) -> int | None:
    """Return an amount that a column holds, of whatever was asked for."""
    return None if amount is None else max(-MOST_EXACT, min(MOST_EXACT, amount))


def _card_of(card: GpuFacts, now: datetime) -> CardRecord:
    if card.closed is None:
        state = CardState.OPEN
    else:
        state = CardState.FAILED if card.closed_for_good else CardState.CLOSED
    return CardRecord(
        gpu_id=card.gpu_id,
        at=now,
        node=card.node,
        position=card.index,
        type=card.kind.type,
        memory_mib=card.kind.memory_mib,
        margin_mib=card.kind.margin_mib,
        state=state,
    )
