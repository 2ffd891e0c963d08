"""Whether a wish would surely be granted if some slices were gone, without trying it.

Counted are limits and room alone: that a guarantee becomes free, or that others could make way
then, is not counted on. Who was called back has their place again first.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from sublet_quota.admission.met_limits import Without, beyond, group_bounds, person_bounds
from sublet_quota.admission.slice_admission import Option, admit
from sublet_quota.amounts.gpu_amounts import NOTHING
from sublet_quota.holdings.gpu_load import GpuFacts, Holding, room_on
from sublet_quota.names.ids import GpuId
from sublet_quota.placement.finding.free_room import find_free
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.refusing.no_room import borrows_no_more
from sublet_quota.residency.snapshot import Rank


class WithoutSlices:
    """A refused wish, and what would be if slices were gone."""

    def __init__(self, question: Question) -> None:
        admission = admit(question.holdings, question.wish)
        self.options = admission.within_rights
        """What limits and room are asked for."""
        self._question = question
        self._rights = admission.rights
        self._cards: dict[Option, dict[GpuId, GpuFacts]] = {}

    def is_granted(self, gone: Sequence[Holding], only: Sequence[Holding] | None = None) -> bool:
        """Whether the wish would be granted without these slices.

        ``only``: all that is left, where that is quicker to add up.
        """
        left = None if only is None else tuple(only)
        world = Without(self._question.holdings, gone=tuple(gone), only=left)
        on_card: defaultdict[GpuId, list[Holding]] = defaultdict(list)
        for holding in gone:
            on_card[holding.gpu_id].append(holding)
        return any(
            self._is_sure_of_cards(option)
            and self._may_borrow(option, gone)
            and self._is_within_limits(world, option)
            and self._has_room(option, on_card)
            for option in self.options
        )

    def _is_sure_of_cards(self, option: Option) -> bool:
        """Whether where guarantees are laid out does not matter: that may change as slices go."""
        guaranteed = self._question.holdings.tree(option.asked.gpu_type).root.guaranteed
        return not (self._question.wish.never_suspended and guaranteed)

    def _may_borrow(self, option: Option, gone: Sequence[Holding]) -> bool:
        if option.rank is not Rank.BORROWED:
            return True
        away = frozenset(holding.slice_id for holding in gone)
        holdings, owner = self._question.holdings, self._rights.owner
        if not holdings.tree(option.asked.gpu_type).root.guaranteed:
            return not borrows_no_more(holdings, owner, away)
        return not any(
            holding.is_notebook and holding.unsuspendable and holding.slice_id not in away
            for holding in holdings.slices_of(owner)
        )

    def _is_within_limits(self, world: Without, option: Option) -> bool:
        of_group = group_bounds(world, option.group, option.asked)
        of_person = person_bounds(world, self._rights, option.asked)
        return beyond(of_group) is None and beyond(of_person) is None

    def _has_room(self, option: Option, on_card: dict[GpuId, list[Holding]]) -> bool:
        if find_free(self._question, (option,)) is not None:
            return True
        if option not in self._cards:
            cards = self._question.cards(option)
            self._cards[option] = {facts.gpu_id: facts for facts, _ in cards}
        return any(
            self._has_room_on(option, self._cards[option][gpu_id], gone)
            for gpu_id, gone in on_card.items()
            if gpu_id in self._cards[option]
        )

    def _has_room_on(self, option: Option, facts: GpuFacts, gone: Sequence[Holding]) -> bool:
        holdings, alone = self._question.holdings, self._question.wish.never_suspended
        pool = holdings.pool_of(facts.gpu_id)
        if pool is None:
            return False
        load = holdings.load(facts.gpu_id)
        for holding in gone:
            load = load.minus(holding)
        room = room_on(facts, replace(load, called_back=NOTHING), holdings.document.pools[pool])
        return option.asked.amount.fits_in(room.free(shared=not alone))
