"""What runs jobs: processes on this machine, or pods in a cluster; the ledger is the same."""

from collections.abc import Callable
from typing import Protocol

from sublet_quota.amounts.node_amounts import NodeNeed
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.jobs_off import JobsOff

from sublet_hub.jobs.intake import JobIntake
from sublet_hub.ledger.records import JobRecord
from sublet_hub.slices.pods import Pods
from sublet_hub.state.stores import Stores


class JobBackend(Protocol):
    """Runs placed jobs to their end. What a backend must know after a restart is in the ledger."""

    def on_news(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when a round is due at once."""
        ...

    def adopt(self) -> None:
        """Take up the jobs that ran when the service ended, and begin."""
        ...

    def round(self) -> None:
        """Look at every job, and do what is due."""
        ...

    def evict(self, slice_id: SliceId, why: str) -> None:
        """Have a job go back to the queue, which had to leave its card."""
        ...

    def lose(self, slice_id: SliceId, why: str) -> None:
        """Have a job whose GPU state is lost go back to the queue, a few times."""
        ...

    async def close(self) -> None:
        """Stop watching; the jobs run on."""
        ...


class JobRuns(Protocol):
    """A way of running jobs elsewhere than on this machine."""

    @property
    def intake(self) -> JobIntake:
        """The part that looks at notebooks and copies files where these jobs are taken in."""
        ...

    @property
    def has_own_queue(self) -> bool:
        """Whether the service's queue says which job is next; else somebody in the cluster does."""
        ...

    @property
    def ends_jobs(self) -> bool:
        """Whether jobs that have their place can be ended."""
        ...

    @property
    def home_is_shared(self) -> bool:
        """Whether several nodes can mount an owner's files at once."""
        ...

    @property
    def takes(self) -> NodeNeed | None:
        """What a job asks of its node beside the GPU; ``None``: not known."""
        ...

    def why_untouched(self, job: JobRecord) -> JobsOff | None:
        """Return why the service does nothing for a live job; ``None`` where it does."""
        ...

    def backend(self, stores: Stores, pods: Pods) -> JobBackend:
        """Return the backend that runs the jobs."""
        ...
