"""Jobs that wait though they are within their group's guarantee are told to Prometheus."""

from datetime import timedelta
from pathlib import Path

import pytest
from sublet_hub.jobs import changes
from sublet_hub.jobs.order.job_nodes import JobNodes
from sublet_hub.jobs.queue import JobQueue, WaitingReasons
from sublet_hub.state.job_files import JobFiles
from sublet_hub.state.owner_accounts import OwnerAccounts
from sublet_hub.state.stores import Stores
from sublet_hub.usage.job_stops import JobStops
from sublet_quota.life_cycles.job_states import JobMove
from sublet_quota.names.ids import GroupName

from tests.support.ledger_records import a_job_record
from tests.support.metric_world import MetricWorld, metric_world

DOCUMENT = """
    gpu_types: {H100: {match: "*H100*"}}
    groups: {lab: {guaranteed: {H100: 1}}, others: {}}
"""
LAB = {"group": "lab", "parent": ""}


def _queue(world: MetricWorld, folder: Path) -> JobQueue:
    stops = JobStops(world.ledger, lambda: world.now)
    stores = Stores(
        world.ledger,
        world.fleet,
        world.capacity,
        OwnerAccounts(folder / "accounts"),
        JobFiles(folder, 0),
        lambda: world.now,
        stops.stood,
    )
    return JobQueue(stores, WaitingReasons(), world.metrics, JobNodes(lambda _: True), stops)


@pytest.mark.parametrize(("group", "waits"), [("lab", 1), ("others", 0)])
def test_a_job_within_its_group_s_guarantee_that_waits_is_told(
    tmp_path: Path, group: str, waits: int
) -> None:
    with metric_world(tmp_path, DOCUMENT) as world:
        world.cards(1, lendable_mib=0)
        # What cannot make way leaves no place to whoever is guaranteed the card.
        world.hold("stays", group=GroupName("others"), never_suspended="its engine cannot")
        job = a_job_record("job", "ada", group=GroupName(group), submitted_at=world.now)
        world.apply(changes.submitted(job))
        queue = _queue(world, tmp_path)
        world.pass_time(timedelta(seconds=5))
        assert queue.place_jobs() == 0
        assert world.having("sublet_entitled_jobs_waiting", **LAB) == waits


def test_a_job_that_waits_no_longer_is_told_no_longer(tmp_path: Path) -> None:
    with metric_world(tmp_path, DOCUMENT) as world:
        world.cards(1, lendable_mib=0)
        # What cannot make way leaves no place to whoever is guaranteed the card.
        world.hold("stays", group=GroupName("others"), never_suspended="its engine cannot")
        job = a_job_record("job", "ada", group=GroupName("lab"), submitted_at=world.now)
        world.apply(changes.submitted(job))
        queue = _queue(world, tmp_path)
        queue.place_jobs()
        assert world.having("sublet_entitled_jobs_waiting", **LAB) == 1
        cancelled = changes.ended(job, JobMove.CANCEL, world.now, job.reason)
        world.apply(cancelled)
        queue.place_jobs()
        assert world.having("sublet_entitled_jobs_waiting", **LAB) == 0
