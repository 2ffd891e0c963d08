"""What foresight could have lent at most.

Who knows when each cell comes, and moves memory in no time, lends every moment for which a slice is
held and does not compute, as long as any job has work that does not run on room which nobody holds.
Never more than jobs had asked for by then: what they ask for within an hour counts from its
beginning, so this is a bound that nobody reaches, and not an estimate.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

from sublet_quota.closed_loop.asks.asked import AskedJob
from sublet_quota.closed_loop.record.records import Record

_HOUR = timedelta(hours=1)
_HOUR_S = 3600.0


def lent_at_most_h(record: Record, jobs: Iterable[AskedJob]) -> float:
    """Return how many hours on cards could have been lent at most, of all types together."""
    not_used: defaultdict[int, float] = defaultdict(float)
    for hours in record.hours.values():
        for hour, seconds in hours.not_used.items():
            not_used[hour] += seconds
    work: defaultdict[int, float] = defaultdict(float)
    for job in jobs:
        work[(job.at - record.began) // _HOUR] += float(job.cards) * job.works.total_seconds()
    for sent_back in record.sent_back:
        # What it had computed is to be computed again.
        again_s = float(sent_back.cards) * sent_back.ran.total_seconds()
        work[(sent_back.at - record.began) // _HOUR] += again_s
    left = lent = 0.0
    on_free_room = sum(hours.jobs - hours.lent for hours in record.hours.values())
    for hour in sorted({*not_used, *work}):
        left += work[hour]
        now = min(left, not_used[hour])
        lent += now
        left -= now
    return min(lent, max(0.0, sum(work.values()) - on_free_room)) / _HOUR_S
