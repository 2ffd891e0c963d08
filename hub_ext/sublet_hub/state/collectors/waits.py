"""How long jobs and notebooks waited until they began, and how jobs ended: counted as it is."""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import Metric
from sublet_quota.life_cycles.job_states import ENDED
from sublet_quota.names.ids import SliceId
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord, JobRecord, SliceRecord
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.collectors.group_labels import UNKNOWN, CountsByGroup
from sublet_hub.state.collectors.stepped import SteppedCollector

_WAIT_BUCKETS: Final = (1.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 28800.0, 86400.0, 604800.0)
_START_BUCKETS: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_TOLD: Final = frozenset({EventKind.JOB_STARTED, EventKind.JOB_ENDED, EventKind.SLICE_STARTED})


class WaitCollector(SteppedCollector):
    """The histograms of waits, and the counter of jobs that ended; by the group that pays."""

    def __init__(self, ledger: Ledger, capacity: Capacity) -> None:
        self._ledger = ledger
        self._capacity = capacity
        self._counts = CountsByGroup(capacity)
        registry = self._registry = CollectorRegistry()
        self._waited = Histogram(
            "sublet_job_wait_seconds",
            "From a job's submission until it ran first",
            ("group", "gpu_type"),
            buckets=_WAIT_BUCKETS,
            registry=registry,
        )
        self._began = Histogram(
            "sublet_slice_start_seconds",
            "From the handing out of a notebook's slice until its server's process was there",
            ("group", "gpu_type"),
            buckets=_START_BUCKETS,
            registry=registry,
        )
        self._ended = Counter(
            "sublet_jobs_ended", "Jobs that ended", ("group", "state"), registry=registry
        )
        ledger.listen(self._ledger_changed)

    def steps(self) -> Iterator[Metric | None]:
        """Yield histograms and counter."""
        self._counts.forget_gone()
        yield from self._registry.collect()

    def _ledger_changed(self, change: Change) -> None:
        # Of all changes few tell of these.
        for event in change.events:
            if event.kind in _TOLD:
                self._take(event, change)

    def _take(self, event: EventRecord, change: Change) -> None:
        for job in change.jobs:
            if job.state in ENDED and event.kind == EventKind.JOB_ENDED:
                self._counts.count(self._ended, self._counts.label(job.group), job.state.value)
            # One that is begun anew has waited, run and waited again.
            elif _began_first(job) and event.kind == EventKind.JOB_STARTED:
                self._note_wait(job, event)
        if event.kind == EventKind.SLICE_STARTED:
            for record in _notebooks(change.slices, event):
                waited_s = max(0.0, (event.at - record.created_at).total_seconds())
                group, gpu_type = self._counts.label(record.group), self._type_of(record)
                self._counts.observe(self._began, waited_s, group, gpu_type)

    def _note_wait(self, job: JobRecord, event: EventRecord) -> None:
        record = self._ledger.slices.get(job.slice_id or SliceId(""))
        gpu_type = UNKNOWN if record is None else self._type_of(record)
        waited_s = max(0.0, (event.at - job.submitted_at).total_seconds())
        self._counts.observe(self._waited, waited_s, self._counts.label(job.group), gpu_type)

    def _type_of(self, record: SliceRecord) -> str:
        return self._capacity.holdings.type_of(record.gpu.gpu_id) or UNKNOWN


def _began_first(job: JobRecord) -> bool:
    return job.started_at is not None and job.attempts == 1


def _notebooks(slices: Iterable[SliceRecord], event: EventRecord) -> Iterator[SliceRecord]:
    return (each for each in slices if each.slice_id == event.slice_id and not each.is_job)
