"""Simulated slices that go to another card of their node: they leave, and come back there.

One with work changes cards only where coming back is its next step on the other card, and while
nothing of it is on its own; one without work is suspended for it. Each step is taken once all that
falls on the moment before has happened on both cards.
"""

from typing import TYPE_CHECKING

from sublet_quota.closed_loop.clock import Clock, Phase
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.takes_in import takes_in

if TYPE_CHECKING:
    from sublet_quota.closed_loop.card.all_cards import Cards


class CardChanges:
    """The slices that are on their way to another card."""

    def __init__(self, cards: "Cards", clock: Clock) -> None:
        self._cards = cards
        self._clock = clock
        self._steps: set[SliceId] = set()
        self._is_stepping = False
        self.to: dict[SliceId, GpuId] = {}
        """The card that each is to be on."""

    def begin(self, slice_id: SliceId, to: GpuId) -> None:
        """Let a slice go to another card."""
        self.to[slice_id] = to
        self._plan(slice_id)

    def stay(self, slice_id: SliceId) -> None:
        """Let a slice stay where it is."""
        self.to.pop(slice_id, None)

    def settled(self, gpu_id: GpuId) -> None:
        """Look at the slices that come to a card, or leave it, as something happened there."""
        if self._is_stepping:
            return
        for slice_id, to in self.to.items():
            if gpu_id in (to, self._cards.where(slice_id)):
                self._plan(slice_id)

    def _plan(self, slice_id: SliceId) -> None:
        if slice_id not in self._steps:
            self._steps.add(slice_id)
            self._clock.at(self._clock.now, Phase.ENDS, slice_id, lambda: self._step(slice_id))

    def _step(self, slice_id: SliceId) -> None:
        self._steps.discard(slice_id)
        if slice_id not in self.to:
            return
        both = (self._cards.where(slice_id), self.to[slice_id])
        self._is_stepping = True
        for gpu_id in both:
            self._cards.pass_time(gpu_id)
            self._cards.settle(gpu_id)
        self._is_stepping = False
        # What ended there just now may have changed where it is to be.
        if self.to.get(slice_id) == both[1] and self._goes(slice_id, *both):
            for gpu_id in both:
                self._cards.settle(gpu_id)

    def _goes(self, slice_id: SliceId, before: GpuId, to: GpuId) -> bool:
        """Take the next step, if it may be taken now; return whether it was."""
        cards = self._cards
        served, there = cards.slice(slice_id), cards.models[to]
        move = cards.models[before].move
        if (move is not None and move.slice is served) or there.facts.closed is not None:
            return False
        view = served.view_elsewhere(self._clock.now)
        if not takes_in(there.snapshot(), view, at_work=served.active):
            return False
        if served.held_mib:
            return cards.models[before].let_leave(served)
        if served.gate_open:
            return False
        del self.to[slice_id]
        cards.change_card(slice_id, to)
        return True
