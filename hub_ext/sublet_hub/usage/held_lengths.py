"""How long notebooks' slices of each GPU type were held lately: what waiting times follow from."""

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.residency.snapshot import Holder

from sublet_hub.ledger.ledger import Ledger

LATELY: Final = timedelta(days=7)
_MOST_OF_MODEL: Final = 5000
"""Of more only the last ones count."""


class HeldLengths:
    """The lengths, as they were when they were looked at last."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._by_model: Mapping[str, tuple[timedelta, ...]] = {}

    async def look(self) -> None:
        """Read them anew, in another thread. ``LedgerReadError``."""
        self._by_model = await asyncio.to_thread(self._read, self._now())

    def by_type(self, document: QuotaDocument) -> Mapping[str, tuple[timedelta, ...]]:
        """Return the lengths by GPU type under a document, the shortest first."""
        found: defaultdict[str, list[timedelta]] = defaultdict(list)
        for model, lengths in self._by_model.items():
            gpu_type = document.type_of(model)
            if isinstance(gpu_type, str):
                found[gpu_type].extend(lengths)
        return {name: tuple(sorted(lengths)) for name, lengths in found.items()}

    def _read(self, now: datetime) -> Mapping[str, tuple[timedelta, ...]]:
        ended: defaultdict[str, list[tuple[datetime, timedelta]]] = defaultdict(list)
        for period in self._ledger.held_periods(now - LATELY, now):
            if period.ended_at is None or period.holder != Holder.NOTEBOOK.value:
                continue
            if period.gpu_type is not None and period.ended_at <= now:
                last = ended[period.gpu_type]
                heapq.heappush(last, (period.ended_at, period.ended_at - period.began_at))
                if len(last) > _MOST_OF_MODEL:
                    heapq.heappop(last)
        return {
            model: tuple(length for _, length in sorted(lengths))
            for model, lengths in ended.items()
        }
