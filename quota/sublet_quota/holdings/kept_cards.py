"""Cards whose room is kept for a reservation that begins soon, or has just begun."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GpuId, GroupName

NO_CARDS_KEPT: Final[Mapping[GpuId, GroupName]] = MappingProxyType({})


class KeptCards:
    """Which cards are kept, and for whom: nobody else borrows there."""

    document: QuotaDocument
    kept_cards: Mapping[GpuId, GroupName] = NO_CARDS_KEPT
    """Cards with the group for whose reservation each is kept."""

    def is_kept_from(self, gpu_id: GpuId, group: GroupName | None) -> bool:
        """Whether a group borrows nothing on a card: it is kept for another, and for those in it.

        ``group`` is who pays; ``None``: no group.
        """
        kept_for = self.kept_cards.get(gpu_id)
        return kept_for is not None and kept_for not in self.document.path_of_payer(group)
