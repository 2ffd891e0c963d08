"""The GPUs that lend to jobs: what each lends now, and who is there beside a job."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.lent_room.card_company import ALONE, Company, owners_of
from sublet_quota.names.ids import GpuId, PoolName


@dataclass(frozen=True, slots=True)
class LendableGpu:
    """A GPU of a pool that lends, and how large a job could begin there now."""

    facts: GpuFacts
    pool: PoolName
    gpu_type: str
    """The type of the quota document of which it is a card."""
    lendable_mib: int
    jobs_mib: int
    """The memory that jobs have there already: it could be lent again once they are done."""
    company: Company = ALONE
    """Who is there beside a job."""


def lendable_gpus(
    holdings: Holdings, lendable_mib: Mapping[GpuId, int], now: datetime | None = None
) -> tuple[LendableGpu, ...]:
    """Return the open GPUs of pools that lend.

    ``lendable_mib`` is what the agents report, less the jobs placed since; a GPU that is not in
    it lends nothing now. ``now``: ``None`` where it makes no difference how long owners are away.
    """
    found = []
    for facts in holdings.gpus():
        pool, gpu_type = holdings.pool_of(facts.gpu_id), holdings.type_of(facts.gpu_id)
        if pool is None or gpu_type is None or facts.closed is not None:
            continue
        if not holdings.document.pools[pool].lend:
            continue
        lendable = min(lendable_mib.get(facts.gpu_id, 0), facts.kind.usable_mib)
        load = holdings.load(facts.gpu_id)
        owners = owners_of(load.slices, holdings.rest_of(facts.gpu_id), now)
        company = Company(owners, load.jobs.compute_milli)
        jobs_mib = load.jobs.memory_mib
        found.append(LendableGpu(facts, pool, gpu_type, lendable, jobs_mib, company))
    return tuple(found)
