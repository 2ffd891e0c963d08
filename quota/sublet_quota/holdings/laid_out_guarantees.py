"""What guarantees mean on cards: where they lie, who makes way, what is wrong; read of holdings."""

from collections.abc import Mapping

from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.holdings.guarantees import Guarantees
from sublet_quota.holdings.layout.layout import Layout
from sublet_quota.holdings.making_way import MakingWay
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.guarantee_warnings import GuaranteeWarning
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import NodeName


class LaidOutGuarantees:
    """Guarantees on cards; they go on changing."""

    _guarantees: Guarantees

    def rank(self, slice_id: SliceId) -> Rank:
        """Return by which right a slice is there; of a job, and of none, ``BORROWED``.

        What is entitled on another group's card, and takes turns there, is so in part.
        """
        return self._guarantees.rank(slice_id)

    def ranks_changed(self) -> frozenset[SliceId]:
        """Return whose rank is another than when this was asked last; new slices, too."""
        return self._guarantees.ranks_changed()

    def has_place(self, gpu_id: GpuId, leaf: NodeName, amount: GpuAmount) -> bool:
        """Whether one more entitled slice of a leaf takes turns behind no others' on a card."""
        return self._guarantees.has_place(gpu_id, leaf, amount)

    def layout(self, gpu_type: str) -> Layout:
        """Return where the guarantees of a type that are in force lie."""
        return self._guarantees.layout(gpu_type)

    def laid_out(self) -> Mapping[str, Layout]:
        """Return what is laid out of each type now: nothing moves in it any more."""
        return self._guarantees.laid_out()

    def begin_with(self, laid_out: Mapping[str, Layout]) -> None:
        """Lay guarantees out as near as possible to what others had laid out."""
        self._guarantees.begin_with(laid_out)

    def room_for_entitled(self, gpu_id: GpuId, leaf: NodeName) -> GpuAmount:
        """Return what one more entitled slice of a leaf may have on a card laid out for it.

        On a whole card: beside the entitled slices of the group alone, which overcommit each other;
        in a part of a card: what is left of the part. Whatever others borrow there makes way; what
        cannot be suspended of theirs is in the way. Nothing where nothing is laid out for it.
        """
        return self._guarantees.room_for_entitled(gpu_id, leaf)

    def making_way(
        self, gpu_id: GpuId, leaf: NodeName, amount: GpuAmount, beside: GpuAmount = NOTHING
    ) -> MakingWay:
        """Return which slices no longer fit when an entitled one of a leaf comes to a card.

        ``beside``: what else comes there by right, whoever is guaranteed it.
        """
        return self._guarantees.making_way(gpu_id, leaf, amount, beside)

    def warnings(self) -> tuple[GuaranteeWarning, ...]:
        """Return what is wrong with guarantees: not all in force, not laid out, cards missing."""
        return tuple(self._guarantees.warnings())
