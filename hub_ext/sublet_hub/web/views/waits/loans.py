"""Who has whose room: jobs that of idle slices, and whoever borrows what groups are guaranteed.

Since when a slice is borrowed the ledger does not note, so that is not told; since when an idle one
is lent, it does.
"""

from collections.abc import Iterator
from fractions import Fraction

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.borrowed_from import borrowed_on, may_borrow
from sublet_quota.holdings.gpu_load import cards_on
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.wire.waits import Loan, LoanKind, LoanParty

from sublet_hub.ledger.records import GpuRecord, SliceRecord
from sublet_hub.state.stores import Stores
from sublet_hub.web.views.slices import HUB, Views
from sublet_hub.web.views.waits.found import FoundLoan, party_of


class FindLoans:
    """Finds loans, slice by slice and card by card."""

    def __init__(self, stores: Stores, views: Views) -> None:
        self._ledger, self._fleet = stores.ledger, stores.fleet
        self._capacity = stores.capacity
        self._views = views

    def of_idle_slice(self, record: SliceRecord) -> Iterator[FoundLoan]:
        """Yield to which jobs a slice is lent, as its agent says."""
        if record.is_job or self._fleet.is_silent(record.gpu.node):
            return
        report = self._fleet.report(record.slice_id)
        for slice_id in () if report is None else report.lent_to:
            borrower = self._ledger.slices.get(SliceId(slice_id))
            if borrower is not None and borrower.is_job:
                yield self._idle(record, borrower)

    def _idle(self, lender: SliceRecord, borrower: SliceRecord) -> FoundLoan:
        amount = _amount_of(lender).lesser(_amount_of(borrower))
        gpu = lender.gpu
        usable_mib = gpu.memory_mib - gpu.margin_mib
        cards = cards_on(amount, GpuKind(gpu.type, usable_mib, 0))
        party = party_of(lender, self._views, HUB)
        loan = self._loan(LoanKind.IDLE_SLICE, borrower, party, gpu, cards)
        told = {"since": lender.lent_since, "memory_mib": amount.memory_mib}
        return FoundLoan(loan.model_copy(update=told), borrower, lender)

    def may_borrow(self, record: SliceRecord) -> bool:
        """Whether a slice may have room that a group is guaranteed."""
        return may_borrow(self._capacity.holdings, record.slice_id)

    def of_guarantees(self, gpu_id: GpuId) -> Iterator[FoundLoan]:
        """Yield what the slices on a card have of what other groups are guaranteed there."""
        for each in borrowed_on(self._capacity.holdings, gpu_id):
            record = self._ledger.slices.get(each.slice_id)
            if record is not None:
                group = LoanParty(words=each.group, group=each.group)
                loan = self._loan(LoanKind.GUARANTEE, record, group, record.gpu, each.cards)
                yield FoundLoan(loan, record, None)

    def _loan(
        self,
        kind: LoanKind,
        borrower: SliceRecord,
        lender: LoanParty,
        gpu: GpuRecord,
        cards: Fraction,
    ) -> Loan:
        return Loan(
            kind=kind.value,
            borrower=party_of(borrower, self._views, HUB),
            lender=lender,
            node=gpu.node,
            gpu_index=gpu.index,
            gpu_type=self._capacity.holdings.type_of(gpu.gpu_id) or gpu.type,
            cards=float(cards),
            memory_mib=int(cards * max(0, gpu.memory_mib - gpu.margin_mib)),
            held_since=borrower.created_at,
        )


def _amount_of(record: SliceRecord) -> GpuAmount:
    return GpuAmount(record.memory_mib, record.compute_milli)
