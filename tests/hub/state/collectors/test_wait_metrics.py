"""Jobs that live and that ended, how long each waited, and what was refused to whom."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sublet_hub.jobs import changes
from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.records import Change, JobRecord, StartedProcess
from sublet_quota.life_cycles.job_states import JobMove
from sublet_quota.names.ids import GroupName, JobId
from sublet_quota.reasons.derivation import Derivation, Rule
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import a_gpu
from tests.support.hub_world import METRICS_TOKEN, FakeHub, hub_world, settings_for
from tests.support.ledger_records import a_job_record
from tests.support.metric_world import MetricWorld, metric_world

LAB = GroupName("lab")
PROCESS = StartedProcess("boot", 42, 1.0)
WHY = JobReason(JobReasonCode.BEGUN)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MetricWorld]:
    with metric_world(tmp_path, "groups: {lab: {}, course: {groups: {first: {}}}}") as made:
        made.cards(2)
        yield made


def _submit(world: MetricWorld, job_id: str, group: GroupName | None = LAB) -> JobRecord:
    job = a_job_record(job_id, "ada", group=group, submitted_at=world.now)
    world.apply(changes.submitted(job))
    return job


def _start(world: MetricWorld, job_id: str) -> JobRecord:
    job = world.ledger.live_jobs[JobId(job_id)]
    record = world.hold(f"of-{job_id}", holder=Holder.JOB, job_id=job.job_id, group=job.group)
    world.apply(changes.placed(job, record, 1.0, world.now))
    placed = world.ledger.live_jobs[JobId(job_id)]
    world.apply(changes.started(placed, record, PROCESS, "out.ipynb", world.now))
    return world.ledger.live_jobs[JobId(job_id)]


def test_a_job_that_ended_is_among_the_jobs_no_longer(world: MetricWorld) -> None:
    _submit(world, "waits")
    _submit(world, "ends")
    world.apply(changes.ended(_start(world, "ends"), JobMove.FINISH, world.now, WHY))
    assert world.value("sublet_jobs", state="waiting") == 1
    assert world.value("sublet_jobs", state="running") == 0
    assert world.value("sublet_jobs", state="done") is None
    assert world.having("sublet_jobs") == 1
    assert world.value("sublet_jobs_ended_total", group="lab", state="done") == 1


def test_jobs_are_told_by_group_and_all_above_it(world: MetricWorld) -> None:
    _submit(world, "one", GroupName("first"))
    _submit(world, "two", None)
    waiting = {"state": "waiting"}
    assert world.value("sublet_group_jobs", group="first", parent="course", **waiting) == 1
    assert world.value("sublet_group_jobs", group="course", parent="", **waiting) == 1
    assert world.value("sublet_group_jobs", group="/", parent="", **waiting) == 1


def test_a_job_s_wait_is_noted_when_it_runs_first(world: MetricWorld) -> None:
    _submit(world, "job")
    world.pass_time(timedelta(minutes=2))
    running = _start(world, "job")
    labels = {"group": "lab", "gpu_type": "Simulated H100 80GB"}
    assert world.value("sublet_job_wait_seconds_sum", **labels) == 120
    assert world.value("sublet_job_wait_seconds_bucket", **labels, le="60.0") == 0
    assert world.value("sublet_job_wait_seconds_bucket", **labels, le="300.0") == 1
    world.apply(Change(jobs=(replace(running, cells_done=1),)))
    world.apply(changes.went_back(running, WHY, world.now))
    world.pass_time(timedelta(hours=1))
    _start(world, "job")
    assert world.value("sublet_job_wait_seconds_count", **labels) == 1


def test_the_time_until_a_notebook_s_server_is_there_is_noted(world: MetricWorld) -> None:
    record = world.hold("s", group=LAB)
    world.pass_time(timedelta(seconds=7))
    told = slice_event(EventKind.SLICE_STARTED, record, world.now)
    world.apply(Change(slices=(replace(record, root_pid=42),), events=(told,)))
    labels = {"group": "lab", "gpu_type": "Simulated H100 80GB"}
    assert world.value("sublet_slice_start_seconds_sum", **labels) == 7


def test_what_was_counted_of_a_group_goes_with_the_group(world: MetricWorld) -> None:
    _submit(world, "job")
    _start(world, "job")
    world.metrics.refused(Refusal(RefusalReason.NO_ROOM, "full"), Holder.NOTEBOOK, ("lab",))
    assert world.having("sublet_job_wait_seconds_count", group="lab") == 1
    assert world.having("sublet_refusals_total", group="lab") == 1
    world.document("groups: {other: {}}")
    assert not [labels for _, labels in world.samples() if ("group", "lab") in labels]


@pytest.mark.parametrize("is_read", [True, False])
def test_models_that_an_agent_makes_up_are_no_labels_for_longer_than_their_cards_are_there(
    world: MetricWorld, *, is_read: bool
) -> None:
    for number in range(4):
        made_up = a_gpu("SIM-0", type=f"made up {number}")
        world.report(made_up)
        record = world.hold(f"s{number}", group=LAB)
        told = slice_event(EventKind.SLICE_STARTED, record, world.now)
        world.apply(Change(slices=(replace(record, root_pid=42),), events=(told,)))
        if is_read:
            world.samples()
        world.apply(Change(released=(record.slice_id,)))
    types = {
        dict(labels)["gpu_type"]
        for name, labels in world.samples()
        if name == "sublet_slice_start_seconds_count"
    }
    assert types == {"made up 3"}


@pytest.mark.parametrize(
    ("payer", "hub_groups", "counted"),
    [
        ("course", ("lab",), "course"),
        (None, ("lab",), "lab"),
        (None, ("nobody has heard of it",), "/"),
        (None, ("lab", "course"), ""),
    ],
)
def test_a_refusal_counts_for_who_would_have_paid(
    world: MetricWorld, payer: str | None, hub_groups: tuple[str, ...], counted: str
) -> None:
    group = None if payer is None else GroupName(payer)
    refusal = Refusal(RefusalReason.NO_ROOM, "full", why=Derivation(Rule.ROOM, group))
    world.metrics.refused(refusal, Holder.JOB, hub_groups)
    labels = {"group": counted, "reason": "no-room", "holder": "job"}
    assert world.value("sublet_refusals_total", **labels) == 1


def test_entitled_jobs_that_wait_are_told_until_they_do_not(world: MetricWorld) -> None:
    world.metrics.jobs_wait({GroupName("first"): 2})
    assert world.value("sublet_entitled_jobs_waiting", group="course", parent="") == 2
    assert world.value("sublet_entitled_jobs_waiting", group="first", parent="course") == 2
    world.metrics.jobs_wait({})
    assert world.having("sublet_entitled_jobs_waiting") == 0


def test_a_document_that_is_not_valid_is_told_while_the_one_before_holds(
    world: MetricWorld,
) -> None:
    assert world.value("sublet_quota_valid") == 1
    loaded = world.value("sublet_quota_loaded_timestamp_seconds")
    world.pass_time(timedelta(minutes=1))
    world.document("groups: [")
    assert world.value("sublet_quota_valid") == 0
    assert world.value("sublet_quota_loaded_timestamp_seconds") == loaded


@pytest.mark.asyncio
async def test_a_request_that_the_service_refuses_is_counted_on_its_page(
    tmp_path: Path, hub: FakeHub
) -> None:
    path = tmp_path / "quota.yaml"
    path.write_text("groups: {lab: {limit: {cards: 0}}}\n")
    settings = replace(settings_for(tmp_path), quota_file=path)
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        body = {"owner": "ada", "account": world.account("ada"), "groups": ["lab"], "size": "small"}
        status, problem = await world.hub_call("POST", "slices", body)
        assert status == 403
        page = (await world.raw("GET", "metrics", METRICS_TOKEN)).body.decode()
    labels = f'group="lab",holder="notebook",reason="{problem["reason"]}"'
    assert f"sublet_refusals_total{{{labels}}} 1.0" in page
