"""The quota document in force as admins are told it, and what is asked of it again and again."""

import asyncio
from typing import Any

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.wire.quota import QuotaInForce

from sublet_hub.slices.hub_names import HubNames
from sublet_hub.state.quota_documents.source import QuotaSource
from sublet_hub.state.stores import Stores
from sublet_hub.usage.budgets.standings import Budgets
from sublet_hub.web.views.quota_tree import QuotaTrees


class QuotaViews:
    """What is told of the document in force; what it says is written out once for all."""

    def __init__(
        self, stores: Stores, quota: QuotaSource, budgets: Budgets, hub_names: HubNames
    ) -> None:
        self.trees = QuotaTrees(stores, budgets)
        self._capacity = stores.capacity
        self._quota = quota
        self._hub_names = hub_names
        self._written: tuple[QuotaDocument, dict[str, Any]] | None = None

    async def in_force(self) -> QuotaInForce:
        """Return all of the document in force, with what is to be looked at."""
        quota = self._quota
        await self._hub_names.look_for_admin(quota.document)
        written = self._written
        # Another one may come in force meanwhile: all that is told is of one.
        while written is None or written[0] is not quota.document:
            written = self._written = await _written(quota.document)
        return QuotaInForce(
            document=written[1],
            text=quota.text,
            path=None if quota.path is None else str(quota.path),
            kept_in=quota.kept_in.value,
            revision=None if quota.revision is None else quota.revision.revision,
            loaded_at=quota.loaded_at,
            errors=() if quota.error is None else quota.error.problems,
            warnings=self._capacity.warnings(),
        )


async def _written(document: QuotaDocument) -> tuple[QuotaDocument, dict[str, Any]]:
    """Return a document with what it says; of a large one that takes long."""
    return document, await asyncio.to_thread(document.model_dump, mode="json", by_alias=True)
