"""Simulated cards that come, close, open, fail and go, as production takes that over.

What lies on a card that fails, or is taken away, is lost: servers end, and their owners start them
anew when they want to go on. What is suspended on one that failed comes back on another card of its
node (``card_in_place_of``). Jobs on cards that are drained, fail or are taken go back to the queue.
"""

from collections.abc import Callable
from dataclasses import replace

from sublet_quota.closed_loop.asks.asked import CardChange, CardVerb
from sublet_quota.closed_loop.asks.change_text import cards_after
from sublet_quota.closed_loop.service.jobs import Jobs
from sublet_quota.closed_loop.service.parts import Parts
from sublet_quota.closed_loop.service.servers import Servers
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.other_card import card_in_place_of
from sublet_quota.residency.snapshot import Rank


class Fleet:
    """The cards of a simulated hub, as they change."""

    def __init__(
        self, parts: Parts, jobs: Jobs, servers: Servers, changed: Callable[[], None]
    ) -> None:
        """``changed``: there is other room than before."""
        self._parts = parts
        self._jobs = jobs
        self._servers = servers
        self._changed = changed
        self._failed: set[GpuId] = set()

    def change(self, change: CardChange) -> None:
        """Take over what becomes of cards."""
        holdings, gpu_ids = self._parts.holdings, [card.gpu_id for card in change.cards]
        there = {card.gpu_id for card in holdings.gpus_as_told()}
        # What is taken is closed first: nobody comes there meanwhile.
        closes = replace(change, verb=CardVerb.FAIL) if change.verb is CardVerb.TAKE else change
        for card in cards_after(tuple(holdings.gpus_as_told()), closes):
            holdings.put_gpu(card)
        self._tell_host_memory(change)
        self._parts.cards.come_under(holdings)
        self._failed.difference_update(gpu_ids)
        for gpu_id in [each for each in gpu_ids if each in there]:
            if change.closes:
                self._call_off(gpu_id)
            if change.sends_back:
                self._clear(gpu_id, change)
        if change.verb is CardVerb.FAIL:
            self._failed.update(gpu_ids)
        if change.verb is CardVerb.TAKE:
            for gpu_id in gpu_ids:
                holdings.remove_gpu(gpu_id)
                self._parts.cards.take_out(gpu_id)
        self._changed()

    def leave_failed_cards(self) -> None:
        """Let what is suspended on a card that has failed go to another one, if there is room."""
        parts = self._parts
        for gpu_id in sorted(self._failed):
            for served in parts.cards.on(gpu_id):
                slice_id = served.slice_id
                if served.is_job or slice_id in parts.cards.changes.to:
                    continue
                if served.state is SliceState.SUSPENDED or not served.held_mib:
                    to_card = card_in_place_of(parts.holdings, slice_id)
                    if to_card is not None:
                        parts.go_home(slice_id, to_card)

    def _tell_host_memory(self, change: CardChange) -> None:
        """Note how much suspended slices may take on nodes of which cards came or go."""
        if change.verb not in {CardVerb.ADD, CardVerb.TAKE}:
            return
        holdings, of_a_card = self._parts.holdings, self._parts.manner.speeds.host_mib_a_card
        gone = {card.gpu_id for card in change.cards} if change.verb is CardVerb.TAKE else set()
        for node in sorted({card.node for card in change.cards}):
            left = sum(card.gpu_id not in gone for card in holdings.gpus_on(node))
            holdings.host_memory.put(node, left * of_a_card or None)

    def _call_off(self, gpu_id: GpuId) -> None:
        """Let who is on the way to a card stay where they are."""
        parts = self._parts
        for slice_id, to in tuple(parts.cards.changes.to.items()):
            if to == gpu_id:
                self._stay(slice_id)

    def _stay(self, slice_id: SliceId) -> None:
        """Let a slice stay: entitled, it has its place as before; else it waits for room."""
        parts = self._parts
        holding = parts.holdings.slice(slice_id)
        if holding is None:
            return
        if holding.is_notebook and parts.holdings.rank(slice_id) is Rank.BORROWED:
            parts.call_back(slice_id, None)
            return
        parts.cards.changes.stay(slice_id)
        parts.holdings.put(replace(holding, gpu_id=parts.cards.where(slice_id)))
        parts.is_there(slice_id)

    def _clear(self, gpu_id: GpuId, change: CardChange) -> None:
        cards = self._parts.cards
        for served in cards.on(gpu_id):
            if served.is_job:
                self._jobs.send_back(served.slice_id)
            elif change.verb is CardVerb.TAKE or (change.loses and served.held_mib):
                self._servers.lose(served.slice_id)
        move = cards.models[gpu_id].move
        if change.loses and move is not None:
            self._servers.lose(move.slice.slice_id)
