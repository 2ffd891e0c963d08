"""The holdings: who holds what on which GPU, and by which right, added up as it changes.

The one structure of this package that changes: the hub service owns it, tells it of every slice and
GPU (``entries``), and hands it to admission and placement, which only read it. Under another
document new ones are made of it, which catch up with what changes meanwhile.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sublet_quota.amounts.node_amounts import UNKNOWN_ROOM, NodeRoom
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.as_held import AsHeld, successors
from sublet_quota.holdings.card_policy import policy_of
from sublet_quota.holdings.entries import Entries
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.grace import carried_steps, with_grace
from sublet_quota.holdings.node_rooms import NodeFacts
from sublet_quota.holdings.standing.counted import TypedKind
from sublet_quota.holdings.standing.standings import Standings
from sublet_quota.names.ids import NodeId, SliceId


class Holdings(Entries):
    """All slices and GPUs, with their sums by group, person, type, pool and GPU."""

    def as_held(self) -> AsHeld:
        """Return what is held at this moment."""
        return AsHeld(
            self.document,
            self.turns,
            self._standings.tree,
            dict(self._placed.all),
            tuple(self.gpus_as_told()),
            dict(self._typed),
            self.lasting_steps(),
            self.steps_in_force(),
            self.laid_out(),
            self.spent,
            dict(self.host_memory.told),
            dict(self.nodes_told.told),
        )

    @classmethod
    def of(cls, held: AsHeld) -> "Holdings":
        """Return holdings of their own in which all is as it was held."""
        copy = cls(held.document, turns=held.turns, spent=held.spent, host_memory=held.host_memory)
        copy._take_over(held, held.slices.values(), held.lasting, held.in_force)
        # Where guarantees lie has a history.
        copy.begin_with(held.laid_out)
        return copy

    def be_ready(self) -> None:
        """Reckon where guarantees lie, and the host memory: the next who asks waits for neither."""
        for gpu_type in self.types():
            self.layout(gpu_type)
        self.host_memory.rooms()

    def under(
        self, document: QuotaDocument, now: datetime, grace: timedelta | None = None
    ) -> "Holdings":
        """Return the same slices and GPUs under another document (``made_under``)."""
        anew = Holdings.made_under(self.as_held(), document, now, grace)
        anew.catch_up(self)
        return anew

    @classmethod
    def made_under(
        cls,
        held: AsHeld,
        document: QuotaDocument,
        now: datetime,
        grace: timedelta | None = None,
    ) -> "Holdings":
        """Return holdings of the same slices and GPUs under another document.

        What became less has a grace (``Holding.before``), as long as the document says unless
        ``grace`` does: what ends at a stated time has none, nor has a card that is closed.
        """
        grace = document.shrink.grace if grace is None else grace
        spent = held.spent.under(document)
        after = Standings(document, held.turns, spent)
        steps = carried_steps(held, after, held.lasting)
        in_force = carried_steps(held, after, held.in_force)
        told = held.host_memory
        anew = cls(document, turns=held.turns, spent=spent, host_memory=told)
        anew._take_over(held, held.slices.values(), steps, in_force)
        graced: dict[SliceId, Holding] = {}
        if grace:
            found = with_grace(held, anew._standings, steps, in_force, now + grace)
            graced = {one.slice_id: one for one in found}
        if graced:
            # A right that the cards kept, whoever else might have had it with more of them, lasts.
            kept = {one.slice_id: one.before.steps for one in graced.values() if one.before}
            steps |= {one: max(steps[one], count) for one, count in kept.items()}
            anew = cls(document, turns=held.turns, spent=spent, host_memory=told)
            anew._take_over(held, {**held.slices, **graced}.values(), steps, in_force)
        anew._graces_until = now + grace if grace else None
        anew.begin_with(held.laid_out)
        # All of it: whoever takes these holdings over looks at the changes alone.
        anew.ranks_changed()
        anew.be_ready()
        return anew

    def catch_up(self, before: "Holdings") -> None:
        """Take over what has changed in the holdings that these were made from.

        A grace that was found for a slice stays. A server that restarted has its place, and grace.
        What was handed out meanwhile, under the document of before, has one as what was there.
        """
        self.spend(before.spent.under(self.document))
        cards = {facts.gpu_id: facts for facts in before.gpus_as_told()}
        for gpu_id in [facts.gpu_id for facts in self.gpus() if facts.gpu_id not in cards]:
            self.remove_gpu(gpu_id)
        for facts in cards.values():
            self.put_gpu(facts)
        self.asked_sizes, self.asked_beside = before.asked_sizes, before.asked_beside
        self._take_over_nodes(before.nodes_told.told)
        self.idle = set(before.idle)
        self.host_memory.take_over(before.host_memory.told)
        mine, theirs = dict(self._placed.all), {one.slice_id: one for one in before.slices()}
        gone = {one: mine[one] for one in mine.keys() - theirs.keys()}
        new = {one: theirs[one] for one in theirs.keys() - mine.keys()}
        instead_of = dict(successors(gone, new))
        for slice_id in sorted(gone.keys() - instead_of.values()):
            self.remove(slice_id)
        is_other = bool(new)
        for slice_id in sorted(mine.keys() & theirs.keys()):
            is_other |= _is_other(mine[slice_id], theirs[slice_id])
            as_before = mine[slice_id].before or theirs[slice_id].before
            self.put(replace(theirs[slice_id], before=as_before))
        for slice_id in sorted(new):
            former = gone.get(instead_of.get(slice_id, SliceId("")))
            again = new[slice_id]
            if former is not None and self._is_no_more(again, former):
                again = replace(again, before=again.before or former.before)
            self.put(again, instead_of.get(slice_id))
        if is_other and self._graces_until is not None:
            self._grace_what_came(before.as_held(), self._graces_until)
        self._standings.take_over_ranks(before.ranks_told())
        for slice_id, since in before.at_rest.items():
            self.mark_at_rest(slice_id, since)
        self.changes += 1
        self.kept_cards = before.kept_cards

    def _take_over(
        self,
        held: AsHeld,
        slices: Iterable[Holding],
        steps: Mapping[SliceId, int],
        in_force: Mapping[SliceId, int],
    ) -> None:
        """Begin with these slices, and the cards that there are.

        Cards come last: each then finds its place among the others once, with all it holds.
        """
        self._typed = dict(held.typed)
        for facts in held.cards:
            gpu_type = policy_of(self.document, facts).gpu_type
            self._typed[facts.gpu_id] = TypedKind(gpu_type, facts.kind)
        self._fill(slices, steps, in_force)
        for facts in held.cards:
            self.put_gpu(facts)
        self._take_over_nodes(held.nodes)

    def _take_over_nodes(self, nodes: Mapping[NodeId, NodeRoom]) -> None:
        """Know of all nodes what is told of them, and of no others."""
        for node in self.nodes_told.told.keys() | nodes.keys():
            self.put_node(NodeFacts(node, nodes.get(node, UNKNOWN_ROOM)))

    def _grace_what_came(self, before: AsHeld, until: datetime) -> None:
        """Let count as before what was handed out while these holdings were reckoned."""
        steps = carried_steps(before, self._standings, before.lasting)
        in_force = carried_steps(before, self._standings, before.in_force)
        for holding in tuple(with_grace(before, self._standings, steps, in_force, until)):
            self.put(holding)

    def _is_no_more(self, again: Holding, former: Holding) -> bool:
        """Whether a server that restarted has no more than before, at the same expense."""
        return (
            again.group == former.group
            and self.type_of(again.gpu_id) == self.type_of(former.gpu_id)
            and again.amount.fits_in(former.amount)
        )


def _is_other(one: Holding, other: Holding) -> bool:
    """Whether a slice counts otherwise than before, whatever it is entitled to."""
    return (one.amount, one.group, one.gpu_id) != (other.amount, other.group, other.gpu_id)
