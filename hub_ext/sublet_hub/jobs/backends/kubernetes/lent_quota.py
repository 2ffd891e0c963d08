"""Keeps Kueue's quota of lent room equal to what the agents can lend.

What jobs have counts, too: Kueue takes it off itself. The queue is read again each minute, so that
what somebody else has written there meanwhile does not stay; all else in it is left alone.
"""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.amounts.lent_units import units_for

from sublet_hub.jobs.backends.kubernetes.objects.kueue import lent_quota_of, with_lent_quota
from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.kubernetes_api.errors import KubeError
from sublet_hub.kubernetes_api.resources import CLUSTER_QUEUES
from sublet_hub.state.stores import Stores

_LOG = logging.getLogger(__name__)
_EVERY_S: Final = 2.0
_AFTER_FAILURE_S: Final = 30.0
_READ_EVERY: Final = timedelta(minutes=1)


class LentQuota:
    """The nominal quota of one ClusterQueue."""

    def __init__(self, api: KubeApi, stores: Stores, queue: str, unit_mib: int) -> None:
        self._api = api
        self._stores = stores
        self._queue = queue
        self._unit_mib = unit_mib
        self._written: int | None = None
        self._read_at: datetime | None = None

    async def run(self) -> None:
        """Keep the quota equal to what can be lent, until cancelled."""
        while True:
            try:
                await self.keep()
            except KubeError as error:
                _LOG.warning("the quota of lent room in Kueue is not kept: %s", error)
            except Exception:  # noqa: BLE001 - a loop of its own: it says so, and goes on
                _LOG.exception("the quota of lent room in Kueue cannot be kept")
            else:
                await asyncio.sleep(_EVERY_S)
                continue
            self._written = None
            await asyncio.sleep(_AFTER_FAILURE_S)

    async def keep(self) -> None:
        """Write the quota, where the queue has another; it is not read anew each time."""
        units, now = self.units(), self._stores.now()
        was_read = self._read_at is not None and now - self._read_at < _READ_EVERY
        if units == self._written and was_read:
            return
        queue = await self._api.get(CLUSTER_QUEUES, None, self._queue)
        known = lent_quota_of(queue)
        if known is None:
            message = f"ClusterQueue {self._queue} has no quota of sublet.dev/lent"
            raise KubeError(message)
        if known != units:
            change = with_lent_quota(queue, units)
            await self._api.patch(CLUSTER_QUEUES, None, self._queue, change)
        self._written, self._read_at = units, now

    def units(self) -> int:
        """Return the units of all cards whose agents report: had by jobs, or still to be lent."""
        stores, unit_mib = self._stores, self._unit_mib
        total = 0
        for view in stores.fleet.speaking():
            for gpu_id, report in view.gpus.items():
                facts = stores.capacity.holdings.gpu(gpu_id)
                if facts is None:
                    continue
                jobs = [s for s in stores.ledger.slices_on_gpu(gpu_id) if s.is_job]
                usable = facts.kind.usable_mib
                unheard = sum(s.memory_mib for s in jobs if s.slice_id not in view.slices)
                lendable = max(0, report.lendable_mib - unheard)
                taken = sum(units_for(s.memory_mib, usable, unit_mib) for s in jobs)
                # A closed card takes nothing new, and what has its room has its quota.
                more = 0 if facts.closed is not None else lendable // unit_mib
                total += min(taken + more, max(taken, usable // unit_mib))
        return total
