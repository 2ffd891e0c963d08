"""What runs jobs: processes on this machine, or pods in a cluster; the ledger is the same."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.waiting import JobsOff

from sublet_hub.jobs.intake import JobIntake
from sublet_hub.ledger.database import LedgerWriteError
from sublet_hub.ledger.records import JobRecord
from sublet_hub.slices.pods import Pods
from sublet_hub.state.stores import Stores


@contextmanager
def isolate_failures(what: str) -> Iterator[None]:
    """Have one failure among many things of a step leave the others be.

    A ledger that takes nothing is everybody's failure.
    """
    try:
        yield
    except LedgerWriteError:
        raise
    except Exception:  # noqa: BLE001 (the other part of the one place)
        _LOG.exception("%s cannot be looked after", what)


class JobBackend(Protocol):
    """Runs placed jobs to their end. What it must know after a restart is in the ledger."""

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
        """A job had to leave its card: it goes back to the queue."""
        ...

    def lose(self, slice_id: SliceId, why: str) -> None:
        """A job's GPU state is lost: it goes back to the queue, a few times."""
        ...

    async def close(self) -> None:
        """Stop watching; the jobs run on."""
        ...


_LOG = logging.getLogger(__name__)


class JobRuns(Protocol):
    """A way of running jobs elsewhere than on this machine."""

    @property
    def intake(self) -> JobIntake:
        """Takes the jobs in."""
        ...

    @property
    def has_own_queue(self) -> bool:
        """Whether our queue says who is next; else somebody in the cluster does."""
        ...

    @property
    def ends_jobs(self) -> bool:
        """Whether jobs that have their place can be ended."""
        ...

    @property
    def home_is_shared(self) -> bool:
        """Whether several nodes can mount an owner's files at once."""
        ...

    def why_untouched(self, job: JobRecord) -> JobsOff | None:
        """Why nobody here does anything for a live job; ``None`` where somebody does."""
        ...

    def backend(self, stores: Stores, pods: Pods) -> JobBackend:
        """Whoever runs them."""
        ...
