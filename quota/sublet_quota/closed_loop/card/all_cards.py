"""All simulated cards together: what is told of them goes into the record and to who is charged."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from sublet_quota.closed_loop.asks.asked import Manner
from sublet_quota.closed_loop.card.card_changes import CardChanges
from sublet_quota.closed_loop.card.card_news import CardNews
from sublet_quota.closed_loop.card.held_on_card import (
    HeldOnCard,
    PlacedSlice,
    add_by_hour,
    count_held,
    part_of_card,
)
from sublet_quota.closed_loop.card.reserved_on_card import ReservedOnCard
from sublet_quota.closed_loop.card.slice_on_card import SliceOnCard
from sublet_quota.closed_loop.card_model import CardModel
from sublet_quota.closed_loop.clock import Clock, Phase
from sublet_quota.closed_loop.record.records import (
    CardChanged,
    CardHours,
    CellBegan,
    HeldSlice,
    JobWaited,
    Moved,
    Ran,
    Record,
    Who,
)
from sublet_quota.holdings.gpu_load import GpuFacts, cards_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, NodeId, SliceId
from sublet_quota.residency.owners_turns import OwnersTurns
from sublet_quota.residency.snapshot import PoolSettings, Rank
from sublet_quota.shares.past_use import Span


@dataclass(frozen=True, slots=True)
class Heard:
    """Who hears of what happens on cards."""

    has_done: Callable[[SliceId], None]
    was_off: Callable[[SliceId, Span], None]
    room_changed: Callable[[], None]
    is_there: Callable[[SliceId], None]
    """A slice is on the other card that it went to."""
    rests: Callable[[SliceId, datetime | None], None]
    """Since when an owner leaves their slice alone; ``None``: the owner is at work."""


class Cards:
    """The cards, each with its agent."""

    def __init__(self, clock: Clock, manner: Manner, record: Record, heard: Heard) -> None:
        self._clock = clock
        self._manner = manner
        self._record = record
        self._heard = heard
        self.models: dict[GpuId, CardModel] = {}
        self._of_node: dict[NodeId, list[CardModel]] = {}
        self._turns: defaultdict[NodeId, OwnersTurns] = defaultdict(OwnersTurns)
        self._placed: dict[SliceId, PlacedSlice] = {}
        self._types: dict[GpuId, str] = {}
        self._looks: dict[GpuId, datetime | None] = {}
        self._done: list[SliceId] = []
        self.changes = CardChanges(self, clock)
        self._held: Callable[[HeldOnCard], None] | None = None
        self._held_until: dict[GpuId, datetime] = {}
        self.stand_still: set[SliceId] = set()
        """The jobs' slices that do not compute."""
        self._lendable_mib: dict[GpuId, int] = {}
        """What was found since something happened on each card last."""

    def come_under(self, holdings: Holdings) -> None:
        """Take over the cards that there are, with their types and pools' settings."""
        for facts in holdings.gpus():
            pool = holdings.pool_of(facts.gpu_id)
            settings = PoolSettings(lend=False)
            idle_after = timedelta(minutes=10)
            if pool is not None:
                said = holdings.document.pools[pool]
                idle_after = said.idle_after
                settings = PoolSettings(
                    said.turn, said.give_back_within, said.lend, said.lend_at_least
                )
            self._types[facts.gpu_id] = holdings.type_of(facts.gpu_id) or ""
            self._put(facts, settings, idle_after)

    def _put(self, facts: GpuFacts, settings: PoolSettings, idle_after: timedelta) -> None:
        known = self.models.get(facts.gpu_id)
        if known is not None:
            self.pass_time(facts.gpu_id)
            known.facts, known.settings, known.idle_after = facts, settings, idle_after
            self.settle(facts.gpu_id)
            return
        on_node = self._of_node.setdefault(facts.node, [])
        model = CardModel(
            facts,
            settings,
            idle_after,
            self._manner.speeds,
            CardNews(self._runs, self._works_on, self._has_done, self._was_off, self._moves),
            lambda: self._host_free_mib(facts.node),
            self._clock.now,
            self._manner.lending,
        )
        on_node.append(model)
        self.models[facts.gpu_id] = model
        self._held_until[facts.gpu_id] = self._clock.now

    def take_out(self, gpu_id: GpuId) -> None:
        """Forget a card on which nothing is any more."""
        self.pass_time(gpu_id)
        self._count_held(gpu_id)
        model = self.models.pop(gpu_id)
        self._of_node[model.facts.node].remove(model)
        for known in (self._looks, self._held_until, self._lendable_mib):
            known.pop(gpu_id, None)

    def on(self, gpu_id: GpuId) -> tuple[SliceOnCard, ...]:
        """Return the slices on a card."""
        return tuple(self.models[gpu_id].slices.values())

    def add(self, served: SliceOnCard, who: Who, gpu_id: GpuId) -> None:
        """Place a slice on a card."""
        self.pass_time(gpu_id)
        model = self.models[gpu_id]
        cards = cards_on(served.amount, model.facts.kind)
        self._placed[served.slice_id] = PlacedSlice(
            served, who, gpu_id, cards, self._clock.now, served.rank
        )
        if not served.is_job:
            served.past_turns = self._turns[model.facts.node].of_next(who.owner)
        model.add(served)
        self.settle(gpu_id)

    def remove(self, slice_id: SliceId) -> None:
        """Take a slice off its card."""
        gpu_id = self._placed[slice_id].gpu_id
        self.pass_time(gpu_id)
        self.changes.stay(slice_id)
        self.stand_still.discard(slice_id)
        model, placed = self.models[gpu_id], self._placed[slice_id]
        if not placed.served.is_job:
            past = placed.served.turns_at_its_end(self._clock.now)
            self._turns[model.facts.node].slice_ends(placed.who.owner, past, self._clock.now)
        model.remove(slice_id)
        self._note_held(self._placed.pop(slice_id))
        self.settle(gpu_id)

    def wake(self, slice_id: SliceId, works: timedelta) -> None:
        """Let an owner run a cell."""
        placed = self._placed[slice_id]
        self.pass_time(placed.gpu_id)
        placed.worst = placed.served.rank
        self.models[placed.gpu_id].wake(placed.served, works.total_seconds())
        self.settle(placed.gpu_id)

    def rank(self, slice_id: SliceId, rank: Rank, entitlement: int = 0) -> None:
        """Tell a slice's agent how it stands now."""
        placed = self._placed.get(slice_id)
        if placed is None or (placed.served.rank, placed.served.entitlement) == (rank, entitlement):
            return
        self.pass_time(placed.gpu_id)
        placed.served.rank, placed.served.entitlement = rank, entitlement
        placed.worst = max(placed.worst, rank)
        self.settle(placed.gpu_id)

    def hold_back(self, slice_id: SliceId, *, held_back: bool) -> None:
        """Tell a job's agent that it stands still below a limit, or goes on."""
        placed = self._placed[slice_id]
        self.pass_time(placed.gpu_id)
        placed.served.held_back = held_back
        self.settle(placed.gpu_id)

    def reserve(self, reserved: Mapping[GpuId, ReservedOnCard]) -> None:
        """Tell the cards' agents how much is to be free for reservations; on others nothing is."""
        for gpu_id, model in self.models.items():
            if model.reserved != reserved.get(gpu_id):
                self.pass_time(gpu_id)
                model.reserved = reserved.get(gpu_id)
                self.settle(gpu_id)

    def pays(self, slice_id: SliceId, group: GroupName | None) -> None:
        """Note who pays for a slice from now on."""
        placed = self._placed[slice_id]
        self._count_held(placed.gpu_id)
        self._note_held(placed)
        placed.who = replace(placed.who, group=group)

    def slice(self, slice_id: SliceId) -> SliceOnCard:
        """Return a slice as it is on its card."""
        return self._placed[slice_id].served

    def where(self, slice_id: SliceId) -> GpuId:
        """Return the card that a slice is on."""
        return self._placed[slice_id].gpu_id

    def change_card(self, slice_id: SliceId, to: GpuId) -> None:
        """Let a slice of which nothing is on its card be on another from now on."""
        placed = self._placed[slice_id]
        for gpu_id in (placed.gpu_id, to):
            self._count_held(gpu_id)
        self._note_held(placed)
        before, placed.gpu_id = placed.gpu_id, to
        self.models[to].slices[slice_id] = self.models[before].slices.pop(slice_id)
        self._record.card_changes.append(CardChanged(slice_id, before, to, self._clock.now))
        self._heard.is_there(slice_id)

    def slices(self) -> Iterator[tuple[SliceOnCard, Who]]:
        """Yield all slices, with whose they are."""
        return ((placed.served, placed.who) for placed in self._placed.values())

    def off_since(self) -> dict[SliceId, datetime]:
        """Return who is not charged now, and since when."""
        return {
            slice_id: placed.served.off_since
            for slice_id, placed in self._placed.items()
            if placed.served.off_since is not None
        }

    def lendable_mib(self, among: Iterable[GpuId] | None = None) -> Mapping[GpuId, int]:
        """Return how large a job could begin on each card now; ``among``: on these at least."""
        for gpu_id in self.models if among is None else among:
            if gpu_id not in self._lendable_mib:
                self._lendable_mib[gpu_id] = self.models[gpu_id].lendable_mib
        return self._lendable_mib

    def pass_time(self, gpu_id: GpuId) -> None:
        """Bring a card to this moment."""
        model = self.models[gpu_id]
        if self._clock.now > model.now:
            self._count_held(gpu_id)
            self._add_up(gpu_id, model, (self._clock.now - model.now).total_seconds())
            model.pass_time(self._clock.now)

    def settle(self, gpu_id: GpuId) -> None:
        """Let a card's agent act on what is new, and look again when something comes of itself."""
        model = self.models[gpu_id]
        self._lendable_mib.pop(gpu_id, None)
        model.settle()
        for served in model.slices.values():
            if served.is_job and served.off_since is not None:
                self.stand_still.add(served.slice_id)
            elif served.is_job:
                self.stand_still.discard(served.slice_id)
            else:
                self._heard.rests(served.slice_id, None if served.active else served.since)
        self._heard.room_changed()
        self.changes.settled(gpu_id)
        self._tell_together(model)
        looks_at = model.looks_at()
        if looks_at is not None and looks_at != self._looks.get(gpu_id):
            self._looks[gpu_id] = looks_at
            self._clock.at(looks_at, Phase.ENDS, gpu_id, lambda: self._look(gpu_id, looks_at))
        done, self._done = self._done, []
        for slice_id in done:
            self._heard.has_done(slice_id)

    def _tell_together(self, model: CardModel) -> None:
        """Look at the other cards of jobs on several that can go on from now on, or no more."""
        for served in model.slices.values():
            if not served.together or served.told_ready is served.is_ready:
                continue
            served.told_ready = served.is_ready
            for other in served.together:
                if other is not served and other.slice_id in self._placed:
                    gpu_id, now = self.where(other.slice_id), self._clock.now
                    self._clock.at(now, Phase.ENDS, gpu_id, partial(self._look_again, gpu_id))

    def _look_again(self, gpu_id: GpuId) -> None:
        if gpu_id in self.models:
            self.pass_time(gpu_id)
            self.settle(gpu_id)

    def tell_held(self, held: Callable[[HeldOnCard], None] | None) -> None:
        """Tell from now on who holds what on cards; ``None``: that is told no more."""
        if self._held is None and held is not None:
            self.count_held()
        self._held = held

    def count_held(self) -> None:
        """Tell what was held up to now on all cards."""
        for gpu_id in self.models:
            self._count_held(gpu_id)

    def finish(self) -> None:
        """Note what lasts until the end."""
        now = self._clock.now
        for gpu_id, model in self.models.items():
            self.pass_time(gpu_id)
            self._count_held(gpu_id)
            for served in model.slices.values():
                if served.runs_since is not None and served.runs_since < now:
                    self._runs(served, served.runs_since, now)
        for placed in self._placed.values():
            self._note_held(placed)
            since = placed.served.asked_at
            if since is not None and not placed.who.is_job:
                waits = CellBegan(
                    placed.served.slice_id, placed.who, placed.worst, since, now - since
                )
                self._record.cells_waiting.append(waits)

    def _look(self, gpu_id: GpuId, planned: datetime) -> None:
        if self._looks.get(gpu_id) == planned:
            self._looks[gpu_id] = None
            self.pass_time(gpu_id)
            self.settle(gpu_id)

    def _host_free_mib(self, node: NodeId) -> int:
        models = self._of_node[node]
        taken = sum(model.in_host_mib for model in models if model.slices)
        return max(0, self._manner.speeds.host_mib_a_card * len(models) - taken)

    def _count_held(self, gpu_id: GpuId) -> None:
        now, until = self._clock.now, self._held_until[gpu_id]
        if until >= now:
            return
        self._held_until[gpu_id] = now
        model = self.models[gpu_id]
        if not model.slices:
            return
        here = [self._placed[slice_id] for slice_id in model.slices]
        count_held(self._record.held_us, self._types[gpu_id], here, now - until)
        if self._held is not None:
            self._held(HeldOnCard(model.facts.kind.type, here, until, now))

    def _note_held(self, placed: PlacedSlice) -> None:
        """Note for how long a slice was here at the expense of who pays for it."""
        began, placed.since = placed.since, self._clock.now
        if began < placed.since:
            gpu_type, slice_id = self._types[placed.gpu_id], placed.served.slice_id
            held = HeldSlice(slice_id, placed.who, gpu_type, placed.cards, began, placed.since)
            self._record.held_slices.append(held)

    def _add_up(self, gpu_id: GpuId, model: CardModel, seconds: float) -> None:
        hours = self._record.hours.setdefault(self._types[gpu_id], CardHours())
        here = [self._placed[slice_id] for slice_id in model.slices]
        held = part_of_card(each for each in here if not each.who.is_job)
        used = part_of_card(each for each in here if not each.who.is_job and each.served.runs_since)
        jobs = part_of_card(each for each in here if each.who.is_job and each.served.runs_since)
        hours.there += seconds
        hours.held += held * seconds
        hours.used += used * seconds
        hours.jobs += jobs * seconds
        hours.lent += min(jobs, held - used) * seconds
        since = model.now - self._record.began
        for by_hour, cards in (
            (hours.not_used, held - used),
            (hours.used_in, used),
            (hours.lent_in, min(jobs, held - used)),
            (hours.jobs_in, jobs),
        ):
            if cards > 0:
                add_by_hour(by_hour, cards, since, seconds)

    def _runs(self, served: SliceOnCard, began: datetime, ended: datetime) -> None:
        placed = self._placed[served.slice_id]
        gpu_type = self._types[placed.gpu_id]
        ran = Ran(served.slice_id, placed.who, gpu_type, placed.cards, began, ended)
        self._record.runs.append(ran)

    def _works_on(self, served: SliceOnCard, now: datetime) -> None:
        asked_at, served.asked_at = served.asked_at, None
        if asked_at is None:
            return
        placed, slice_id = self._placed[served.slice_id], served.slice_id
        if served.is_job:
            cards = placed.cards * max(1, len(served.together))
            waited = JobWaited(slice_id, placed.who, cards, asked_at, now, started=True)
            self._record.job_waits.append(waited)
        else:
            began = CellBegan(slice_id, placed.who, placed.worst, asked_at, now - asked_at)
            self._record.cells.append(began)

    def _has_done(self, served: SliceOnCard) -> None:
        self._done.append(served.slice_id)

    def _was_off(self, served: SliceOnCard, began: datetime, ended: datetime) -> None:
        self._heard.was_off(served.slice_id, Span(began, ended))

    def _moves(self, served: SliceOnCard, leaves: bool) -> None:  # noqa: FBT001 - as it is told
        memory_mib = served.held_mib if leaves else served.image_mib
        gpu_id = self._placed[served.slice_id].gpu_id
        moved = Moved(served.slice_id, gpu_id, self._clock.now, leaves, memory_mib)
        self._record.moves.append(moved)
