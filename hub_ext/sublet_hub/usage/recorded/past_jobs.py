"""From the ledger's jobs, and how long they were held, to jobs as a simulation takes them. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from statistics import median
from typing import Final

from sublet_quota.closed_loop.asks.asked import AskedJob
from sublet_quota.closed_loop.history.happened import Answer, PastJob
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import GroupName

from sublet_hub.ledger.held_periods import HeldPeriod
from sublet_hub.ledger.past_rows import PastJobRow
from sublet_hub.usage.recorded.past_servers import Days, part_of
from sublet_hub.usage.recorded.pseudonyms import Pseudonyms

_USUAL: Final = timedelta(hours=1)
_NOTHING: Final = timedelta()


def past_jobs(
    days: Days,
    jobs: Iterable[PastJobRow],
    periods: Mapping[str, list[HeldPeriod]],
    largest_mib: int,
    names: Pseudonyms,
) -> Iterator[PastJob]:
    """Yield the jobs that were submitted on the day; on the first one those there before, too.

    How long one takes that never began is the median of the others. Who took theirs back before
    it began is not told.
    """
    told = [each for each in jobs if _is_told(each, days, periods)]
    took = [worked(periods[each.job_id], days) for each in told if periods.get(each.job_id)]
    usual = timedelta(seconds=median(e.total_seconds() for e in took)) if took else _USUAL
    for job in told:
        yield _past_job(job, periods.get(job.job_id, []), days, names, usual, largest_mib)


def worked(periods: Sequence[HeldPeriod], days: Days) -> timedelta:
    """Return for how long the last attempt computed between the first day and the last."""
    last = periods[-1].slice_id
    return sum(
        (computed(e, days.begins, days.ends) for e in periods if e.slice_id == last), _NOTHING
    )


def computed(period: HeldPeriod, since: datetime, until: datetime) -> timedelta:
    """Return for how long a job's slice computed of a period between two times.

    When it stood still is not known: that is spread over all of it.
    """
    ended = until if period.ended_at is None else period.ended_at
    lasted = ended - period.began_at
    within = min(ended, until) - max(period.began_at, since)
    if within <= _NOTHING or lasted <= _NOTHING:
        return _NOTHING
    on_card = max(_NOTHING, lasted - timedelta(seconds=period.off_s))
    return on_card * (within / lasted)


def _is_told(job: PastJobRow, days: Days, periods: Mapping[str, list[HeldPeriod]]) -> bool:
    if job.state == JobState.CANCELLED.value and not periods.get(job.job_id):
        return False
    if days.since <= job.submitted_at < days.until:
        return True
    return days.is_first and job.submitted_at < days.begins


def _past_job(  # noqa: PLR0913, PLR0917 - what a job is made of
    job: PastJobRow,
    periods: Sequence[HeldPeriod],
    days: Days,
    names: Pseudonyms,
    usual: timedelta,
    largest_mib: int,
) -> PastJob:
    was_there = job.submitted_at < days.begins
    at = max(job.submitted_at, days.begins)
    began = periods[0].began_at if periods else None
    got = None
    if began is not None and began < days.ends:
        got = max(_NOTHING, began - at)
    if job.gpus > 1:
        cards = Fraction(job.gpus)
    elif periods:
        cards = min(Fraction(1), max(Fraction(1, 1000), periods[-1].cards))
    elif job.memory_mib is None:
        cards = Fraction(1)
    else:
        cards = part_of(job.memory_mib, job.compute_milli, largest_mib)
    asked = AskedJob(
        name=names.thing("job", job.job_id),
        at=at,
        owner=names.person(job.owner),
        groups=names.groups(job.groups),
        works=worked(periods, days) if periods else usual,
        cards=cards,
        gpu_type=job.gpu_type,
        group=names.group(job.group) if job.named and job.group is not None else None,
        priority=job.priority,
        max_run=None if job.max_run_s is None else timedelta(seconds=job.max_run_s),
    )
    payer = None if job.group is None else GroupName(names.group(job.group))
    return PastJob(asked, Answer(got, payer, was_there=was_there))
