"""What was found of waits and loans, and what of it who looks is shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.shared_clauses import ANOTHER_GROUP
from sublet_quota.wire.waits import Loan, LoanParty, WaiterKind, WaitForOwner, Waiting

from sublet_hub.ledger.records import SliceRecord
from sublet_hub.web.views.slices import Viewer, Views

_ORDER: Final = tuple(WaiterKind)


@dataclass(frozen=True, slots=True)
class FoundWait:
    """Somebody who waits."""

    told: Waiting
    """All that does not hang on who looks."""
    waits_for: tuple[str, ...] = ()
    """The slices in the way, whose owners' names do."""

    def shown(self, views: Views, viewer: Viewer) -> Waiting:
        """Return it as a viewer is shown it."""
        if not self.waits_for:
            return self.told
        return self.told.model_copy(update={"waits_for": views.names(self.waits_for, viewer)})

    @property
    def owners(self) -> frozenset[str]:
        """Whose it is."""
        return frozenset((self.told.owner,))

    @property
    def mark(self) -> int:
        """A number that is another where something else is told, but for a time's seconds."""
        told, expected = self.told, self.told.expected_at
        what = told.kind, told.owner, told.server, told.job_id, told.slice_id, told.since
        why = told.code, told.reason, told.place, told.waits_for, self.waits_for
        at = None if expected is None else expected.replace(second=0, microsecond=0)
        return hash((what, why, at, len(told.helps)))

    @property
    def rank(self) -> tuple[int, int, datetime, str]:
        """What puts all that wait in order."""
        told = self.told
        # Whose place is not known comes behind all whose is.
        place = 2**31 if told.place is None else told.place
        return _ORDER.index(WaiterKind(told.kind)), place, told.since, told.owner


@dataclass(frozen=True, slots=True)
class FoundObstacle:
    """A slice that somebody else waits for."""

    told: Waiting
    """How that one waits."""
    waiter: SliceId
    record: SliceRecord
    """The slice that is in the way."""

    @property
    def owners(self) -> frozenset[str]:
        """Whose slice it is."""
        return frozenset((self.record.owner,))

    @property
    def mark(self) -> int:
        """A number that is another where something else is told."""
        return hash((self.told.kind, self.waiter, self.told.since, self.record.slice_id))

    @property
    def rank(self) -> tuple[datetime, str, str]:
        """What puts all who wait for one's slices in order."""
        return self.told.since, self.told.owner, self.record.slice_id

    def shown(self, views: Views, viewer: Viewer) -> WaitForOwner:
        """Return it as a viewer is shown it: who waits, and no more of them."""
        record = self.record
        return WaitForOwner(
            kind=self.told.kind,
            who=views.names((self.waiter,), viewer)[0],
            since=self.told.since,
            slice_id=record.slice_id,
            server=record.server,
            job_id=record.job_id,
            node=record.gpu.node,
            gpu_index=record.gpu.index,
        )


@dataclass(frozen=True, slots=True)
class FoundLoan:
    """Room that one has of another's."""

    loan: Loan
    """As admins are told of it."""
    borrower: SliceRecord
    lender: SliceRecord | None
    """Whose idle slice it is; ``None``: a group's guarantee."""

    def shown(self, views: Views, viewer: Viewer) -> Loan:
        """Return it as a viewer is shown it."""
        if viewer.sees_all:
            return self.loan
        lender = self.loan.lender
        if self.lender is not None:
            lender = party_of(self.lender, views, viewer)
        elif lender.group not in {*views.groups_of(viewer.groups), *viewer.sees_groups}:
            lender = LoanParty(words=ANOTHER_GROUP)
        borrower = party_of(self.borrower, views, viewer)
        return self.loan.model_copy(update={"borrower": borrower, "lender": lender})

    @property
    def owners(self) -> frozenset[str]:
        """Whose loan it is."""
        lender = () if self.lender is None else (self.lender.owner,)
        return frozenset((self.borrower.owner, *lender))

    @property
    def groups(self) -> frozenset[str | None]:
        """The groups that pay for either side, or whose guarantee it is."""
        lender = self.loan.lender.group if self.lender is None else self.lender.group
        return frozenset((self.borrower.group, lender))

    @property
    def mark(self) -> int:
        """A number that is another where something else is told."""
        loan = self.loan
        pair = self.borrower.slice_id, loan.lender.slice_id, loan.lender.group
        return hash((loan.kind, pair, loan.cards, loan.memory_mib, loan.since))

    @property
    def rank(self) -> tuple[float, str, int, str]:
        """What puts all loans in order."""
        loan = self.loan
        return -loan.cards, loan.node, loan.gpu_index, self.borrower.slice_id


def party_of(record: SliceRecord, views: Views, viewer: Viewer) -> LoanParty:
    """Return whose slice takes part in a loan, as a viewer may know."""
    words = views.names((record.slice_id,), viewer)[0]
    if not views.shows_holder(record, viewer):
        return LoanParty(words=words)
    return LoanParty(
        words=words,
        owner=record.owner,
        group=record.group,
        slice_id=record.slice_id,
        job_id=record.job_id,
    )
