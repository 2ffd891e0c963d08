"""The jobs of the ledger that have their place, as the queue reckons with them."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sublet_quota.jobs.backfill.jobs_there import (
    NO_END,
    JobsThere,
    JobThere,
    by_gpu,
    end_after,
    job_there,
)
from sublet_quota.names.ids import GpuId, SliceId

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import JobRecord
from sublet_hub.state.stores import Stores


def jobs_there(stores: Stores) -> JobsThere:
    """Return all jobs that have a slice, by the cards on which they are."""
    return by_gpu(_there(stores), stores.now())


def _there(stores: Stores) -> Iterator[tuple[GpuId, JobThere]]:
    holdings = stores.capacity.holdings
    for job in stores.ledger.live_jobs.values():
        slices = _slices_of(stores.ledger, job)
        end = _end_of(stores, job) if slices else NO_END
        for slice_id in slices:
            holding = holdings.slice(slice_id)
            if holding is not None:
                yield holding.gpu_id, job_there(holding, job.job_id, job.priority, end, slices)


def _slices_of(ledger: Ledger, job: JobRecord) -> tuple[SliceId, ...]:
    if job.slice_id is None or job.gpus == 1:
        return () if job.slice_id is None else (job.slice_id,)
    of_owner = ledger.slices_of_owner(job.owner)
    return tuple(sorted(each.slice_id for each in of_owner if each.job_id == job.job_id))


def _end_of(stores: Stores, job: JobRecord) -> datetime:
    """Return when an attempt of a job ends at the latest, if it stands still no more."""
    if job.max_run_s is None:
        return NO_END
    began, stood = job.started_at or stores.now(), stores.stood(job.slice_id)
    return end_after(began, timedelta(seconds=job.max_run_s) + stood)
