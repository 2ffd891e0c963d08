"""A slice as it is counted on its payer's account and its owner's."""

from dataclasses import dataclass

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.standing.accounts import Entry
from sublet_quota.holdings.standing.type_standing import Entered
from sublet_quota.shares.group_tree import SPENT


@dataclass(frozen=True, slots=True)
class TypedKind:
    """The kind of a card, and the type that it counts as."""

    gpu_type: str
    kind: GpuKind


@dataclass(frozen=True, slots=True)
class Counted:
    """A slice as it was counted: taken out, it leaves nothing behind."""

    holding: Holding
    entry: Entry
    entered: Entered

    @property
    def is_spent_job(self) -> bool:
        """Whether it is a job's, and its payer's budget was over when it was counted."""
        return not self.holding.is_notebook and self.entered.piece.node == SPENT
