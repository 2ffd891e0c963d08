"""How long jobs' pods may wait in the cluster, holding room or quota while they do.

A pod that finds no node gives its place to others soon. One that has a node is given longer: large
images take their time. What Kueue admits though no node takes it is queued again later each time;
and what it admits though the cluster makes no pods for it (a policy, a webhook, a quota of the
namespace is against them) does not keep Kueue's quota from others until then. What the cluster
forbids since an owner's record is missing may be allowed soon: its job is tried for a while before
it fails.
"""

from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.life_cycles.job_states import JobMove
from sublet_quota.names.ids import JobId
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode

from sublet_hub.jobs.backends.kubernetes.attempts.status import Waits
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
from sublet_hub.jobs.endings import Ending

_PODS_ARE_MADE_WITHIN: Final = timedelta(seconds=3)
_REFUSED_FOR: Final = timedelta(seconds=30)
"""How long pods may be refused before that is taken for an answer: a webhook may be starting."""
_GRANTED_WITHIN: Final = timedelta(minutes=15)
"""How long a job may be forbidden: its owner has to start a server again after some upgrades."""
_FIRST_REST: Final = timedelta(minutes=1)
_LONGEST_REST: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class _Rest:
    time: timedelta
    until: datetime


class PendingJobs:
    """Since when jobs wait for a node, and then for their containers; who rests, and until when."""

    def __init__(self, settings: KubeJobSettings) -> None:
        self._settings = settings
        self._without_node: dict[JobId, datetime] = {}
        self._not_begun: dict[JobId, datetime] = {}
        self._suits_not: dict[JobId, datetime] = {}
        self._rests: dict[JobId, _Rest] = {}
        self._refusals: dict[JobId, str] = {}
        self._forbidden: dict[JobId, datetime] = {}

    def ending_of(self, job_id: JobId, seen: Waits, wanted: int, now: datetime) -> Ending | None:
        """Return the end of an attempt that waited too long: it gives its place back, or fails."""
        settings = self._settings
        if len(seen.pods) < wanted or not all(pod.node for pod in seen.pods):
            self._not_begun.pop(job_id, None)
            since = self._without_node.setdefault(job_id, now)
            refused = seen.why.code is JobReasonCode.PODS_REFUSED and settings.kueue is not None
            within = _REFUSED_FOR if refused else settings.pending_for
            return Ending(JobMove.GO_BACK, seen.why) if now - since > within else None
        self._without_node.pop(job_id, None)
        since = self._not_begun.setdefault(job_id, now)
        if now - since <= settings.begins_within:
            return None
        why = seen.why.under(begins_within_s=round(settings.begins_within.total_seconds()))
        return Ending(JobMove.FAIL, why, may_retry=True)

    def lacks_pods(self, job_id: JobId, now: datetime) -> bool:
        """Whether pods that are being made should be there by now."""
        since = self._without_node.setdefault(job_id, now)
        return now - since > _PODS_ARE_MADE_WITHIN

    def note_refusal(self, job_id: JobId, words: str) -> None:
        """Note what the cluster says of the pods that it does not make; empty: nothing."""
        if job_id in self._without_node:
            self._refusals[job_id] = words

    def refused(self, job_id: JobId, seen: Waits) -> Waits:
        """Return it with why the cluster makes no pods, if that is known."""
        words = self._refusals.get(job_id)
        return (
            replace(seen, why=JobReason(JobReasonCode.PODS_REFUSED, told=words)) if words else seen
        )

    def rest(self, job_id: JobId, now: datetime) -> timedelta:
        """Have a job leave the queue to others, longer each time; return for how long."""
        known = self._rests.get(job_id)
        time = _FIRST_REST if known is None else min(2 * known.time, _LONGEST_REST)
        self._rests[job_id] = _Rest(time, now + time)
        return time

    def rests(self, job_id: JobId, now: datetime) -> bool:
        """Whether it is too early to queue a job again."""
        known = self._rests.get(job_id)
        return known is not None and now < known.until

    def may_be_granted(self, job_id: JobId, now: datetime) -> bool:
        """Whether a job that the cluster forbids is to be tried again, also after it went back."""
        since = self._forbidden.setdefault(job_id, now)
        return now - since <= _GRANTED_WITHIN

    def note_granted(self, job_id: JobId) -> None:
        """Note that the cluster has taken a job's object."""
        self._forbidden.pop(job_id, None)

    def suits_no_more(self, job_id: JobId, now: datetime) -> bool:
        """Whether a queued object has not been what it should be for long enough."""
        since = self._suits_not.setdefault(job_id, now)
        return now - since > self._settings.pending_for

    def note_suitable(self, job_id: JobId) -> None:
        """Note that a job's queued object is what it should be, or that there is none."""
        self._suits_not.pop(job_id, None)

    def note_begun(self, job_id: JobId) -> None:
        """Forget how a job has waited, for it runs."""
        self.forget(job_id)
        self._rests.pop(job_id, None)

    def forget(self, job_id: JobId) -> None:
        """Forget since when a job waits in the cluster, for it does so no more."""
        self._without_node.pop(job_id, None)
        self._not_begun.pop(job_id, None)
        self._refusals.pop(job_id, None)

    def keep_only(self, live: Container[JobId]) -> None:
        """Forget the jobs that are over."""
        waits = (self._without_node, self._not_begun, self._suits_not)
        for known in (*waits, self._rests, self._refusals, self._forbidden):
            for job_id in [each for each in known if each not in live]:
                del known[job_id]
