"""The GPUs that lend to jobs: what each lends now, and who is there beside a job."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.lent_room.card_company import ALONE, Company, company_of, owners_of
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
    lending = {name for name, pool in holdings.document.pools.items() if pool.lend}
    for card in holdings.policies():
        facts, pool = card.facts, card.pool
        if pool is None or pool not in lending or facts.closed is not None:
            continue
        gpu_id = facts.gpu_id
        lendable = min(lendable_mib.get(gpu_id, 0), facts.kind.usable_mib)
        load = holdings.load(gpu_id)
        rests_since = holdings.rest_of(gpu_id) if load.slices else None
        company = company_of(owners_of(load.slices, rests_since, now), load.jobs.compute_milli)
        jobs_mib = load.jobs.memory_mib
        found.append(LendableGpu(facts, pool, card.gpu_type, lendable, jobs_mib, company))
    return tuple(found)
