"""How long a job has run: what it stood still is no part of it, also where the service ended."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sublet_hub.jobs import changes
from sublet_hub.jobs.order.placed_jobs import jobs_there
from sublet_hub.jobs.queue import JobNodes, JobQueue, WaitingReasons
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, StartedProcess
from sublet_hub.state.fleet import NodeView
from sublet_hub.state.job_files import JobFiles
from sublet_hub.state.owner_accounts import OwnerAccounts
from sublet_hub.state.stores import Stores
from sublet_hub.usage.job_stops import JobStops
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, GroupName, JobId, SliceId
from sublet_quota.residency.snapshot import Holder

from tests.support.fake_agent import a_report
from tests.support.ledger_records import a_job_record
from tests.support.metric_world import NODE, MetricWorld, metric_world

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OF_JOB = SliceId("of-job")


@dataclass
class Service:
    """A service that can end and start anew, and one job that may run for two hours."""

    world: MetricWorld
    folder: Path
    stops: JobStops = field(init=False)

    def __post_init__(self) -> None:
        """Let the job have its place."""
        world = self.world
        world.cards(1)
        job = a_job_record("job", "ada", submitted_at=world.now, max_run_s=7200)
        world.apply(changes.submitted(job))
        record = world.hold(OF_JOB, holder=Holder.JOB, job_id=job.job_id)
        world.apply(changes.placed(job, record, 1.0, world.now))
        self.begin()

    def start(self) -> None:
        """Let the job run."""
        world, process = self.world, StartedProcess("boot", 42, 1.0)
        placed, record = world.ledger.live_jobs[JobId("job")], world.ledger.slices[OF_JOB]
        world.apply(changes.started(placed, record, process, "out.ipynb", world.now))

    def begin(self, ledger: Ledger | None = None) -> None:
        """Start anew, by what the ledger knows."""
        world = self.world
        if ledger is not None:
            world.ledger = ledger
            world.__post_init__()
        world.cards(1)
        self.stops = JobStops(world.ledger, lambda: world.now)
        self.stores = Stores(
            world.ledger,
            world.fleet,
            world.capacity,
            OwnerAccounts(self.folder / "accounts"),
            JobFiles(self.folder, 0),
            lambda: world.now,
            self.stops.stood,
        )
        nodes = JobNodes(lambda _: True)
        self.queue = JobQueue(self.stores, WaitingReasons(), world.metrics, nodes, self.stops)

    def reports(self, state: SliceState) -> None:
        """Let the agent say how the job is."""
        view = NodeView(NODE, "boot", "0", 1)
        view.slices = {OF_JOB: a_report(OF_JOB, state=state)}
        self.stops.take(view)

    def stands_for(self, time: timedelta) -> None:
        self.reports(SliceState.SUSPENDED)
        self.world.pass_time(time)

    def runs_for(self, time: timedelta) -> None:
        self.reports(SliceState.RESIDENT)
        self.world.pass_time(time)

    def ends(self) -> datetime:
        """When the queue thinks that the job ends at the latest."""
        (there,) = jobs_there(self.stores).on[GpuId("SIM-0")]
        return there.ends


@pytest.fixture
def placed(tmp_path: Path) -> Iterator[Service]:
    with metric_world(tmp_path) as world:
        yield Service(world, tmp_path)


@pytest.fixture
def service(placed: Service) -> Service:
    placed.start()
    return placed


def test_what_a_job_stands_still_before_it_begins_is_no_part_of_its_time(placed: Service) -> None:
    placed.runs_for(MINUTE)
    placed.stands_for(3 * HOUR)
    placed.start()
    began = placed.world.now
    placed.stands_for(HOUR)
    placed.runs_for(MINUTE)
    assert placed.stops.stood(OF_JOB) == HOUR
    assert placed.ends() == began + 3 * HOUR


def test_a_job_ends_later_by_as_much_as_it_stood_still(service: Service) -> None:
    began = service.world.now
    service.runs_for(HOUR)
    assert service.ends() == began + 2 * HOUR
    service.stands_for(3 * HOUR)
    assert service.stops.stood(OF_JOB) == 3 * HOUR
    assert service.ends() == began + 5 * HOUR
    service.runs_for(MINUTE)
    service.stands_for(MINUTE)
    assert service.ends() == began + 5 * HOUR + MINUTE


def test_a_service_that_starts_anew_knows_for_how_long_jobs_stood_still(
    service: Service, tmp_path: Path
) -> None:
    began = service.world.now
    service.runs_for(HOUR)
    service.stands_for(HOUR)
    service.runs_for(MINUTE)
    service.stands_for(2 * MINUTE)
    service.queue.tell_off_times()
    assert service.world.ledger.slices[OF_JOB].stands_since == began + 2 * HOUR + MINUTE
    service.world.pass_time(3 * HOUR)
    with metric_world(tmp_path) as again:
        service.begin(again.ledger)
        service.stands_for(8 * MINUTE)
        service.runs_for(MINUTE)
        assert service.stops.stood(OF_JOB) == HOUR + 2 * MINUTE + 3 * HOUR + 8 * MINUTE
        service.queue.tell_off_times()
        assert service.world.ledger.slices[OF_JOB].stands_since is None
        (period,) = service.world.ledger.held_periods(began, service.world.now)
        assert timedelta(seconds=period.off_s) == service.stops.stood(OF_JOB)


def test_a_stop_counts_once_where_the_job_was_charged_otherwise_within_it(
    service: Service, tmp_path: Path
) -> None:
    service.runs_for(HOUR)
    service.stands_for(MINUTE)
    service.runs_for(MINUTE)
    service.stands_for(2 * HOUR)
    service.queue.tell_off_times()
    record = service.world.ledger.slices[OF_JOB]
    service.world.apply(Change(slices=(replace(record, group=GroupName("other")),)))
    service.stands_for(HOUR)
    service.queue.tell_off_times()
    assert service.stops.stood(OF_JOB) == 3 * HOUR + MINUTE
    with metric_world(tmp_path) as again:
        service.begin(again.ledger)
        assert service.stops.stood(OF_JOB) == 3 * HOUR + MINUTE
        service.stands_for(MINUTE)
        service.runs_for(MINUTE)
        assert service.stops.stood(OF_JOB) == 3 * HOUR + 2 * MINUTE


def test_a_stop_of_less_than_a_minute_is_written_down_only_once_it_is_over(
    service: Service,
) -> None:
    service.runs_for(MINUTE)
    service.stands_for(MINUTE / 2)
    service.queue.tell_off_times()
    assert service.world.ledger.slices[OF_JOB].stands_since is None
    service.runs_for(MINUTE)
    service.queue.tell_off_times()
    now = service.world.now
    (period,) = service.world.ledger.held_periods(now - HOUR, now)
    assert timedelta(seconds=period.off_s) == MINUTE / 2
