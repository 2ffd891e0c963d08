"""What Prometheus reads of groups: held, guaranteed, in force, entitled, borrowed, lent."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sublet_hub.ledger.records import Change
from sublet_hub.state.collectors.stepped import STEP
from sublet_quota.names.ids import GroupName, JobId
from sublet_quota.residency.snapshot import Holder

from tests.support.metric_world import MetricWorld, metric_world

DOCUMENT = """
    gpu_types: {H100: {match: "*H100*"}, L4: {match: "*L4*"}}
    groups:
      science:
        guaranteed: {H100: 2}
        limit: {H100: 3}
        groups: {nlp: {guaranteed: {H100: 1}}}
      arts: {}
"""
SCIENCE = {"group": "science", "parent": "", "gpu_type": "H100"}
NLP = {"group": "nlp", "parent": "science", "gpu_type": "H100"}
ARTS = {"group": "arts", "parent": "", "gpu_type": "H100"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MetricWorld]:
    with metric_world(tmp_path, DOCUMENT) as made:
        made.cards(4)
        yield made


def test_a_group_is_told_with_all_that_is_in_it(world: MetricWorld) -> None:
    for n in range(2):
        world.hold(f"s{n}", f"SIM-{n}", group=GroupName("nlp"))
    assert world.value("sublet_group_held_cards", **NLP) == 2
    assert world.value("sublet_group_entitled_cards", **NLP) == 1
    assert world.value("sublet_group_borrowed_cards", **NLP) == 1
    assert world.value("sublet_group_held_cards", **SCIENCE) == 2
    assert world.value("sublet_group_entitled_cards", **SCIENCE) == 2
    assert world.value("sublet_group_borrowed_cards", **SCIENCE) == 0


def test_groups_at_the_top_and_who_is_in_none_are_the_whole(world: MetricWorld) -> None:
    world.hold("s0", "SIM-0", group=GroupName("nlp"))
    world.hold("s1", "SIM-1", group=GroupName("arts"))
    world.hold("s2", "SIM-2", group=None)
    world.hold("s3", "SIM-3", group=GroupName("science"))
    assert world.having("sublet_group_held_cards", parent="") == 4
    none = {"group": "/", "parent": "", "gpu_type": "H100"}
    assert world.value("sublet_group_held_cards", **none) == 1
    direct = {"group": "science/", "parent": "science", "gpu_type": "H100"}
    assert world.value("sublet_group_held_cards", **direct) == 1


def test_what_is_guaranteed_is_told_beside_what_of_it_is_in_force(world: MetricWorld) -> None:
    assert world.value("sublet_group_guaranteed_cards", **SCIENCE) == 2
    assert world.value("sublet_group_guaranteed_in_force_cards", **SCIENCE) == 2
    assert world.value("sublet_group_limit_cards", **SCIENCE) == 3
    world.cards(4, closed="it failed")
    assert world.value("sublet_group_guaranteed_cards", **SCIENCE) == 2
    assert world.value("sublet_group_guaranteed_in_force_cards", **SCIENCE) == 0
    assert world.value("sublet_guarantee_faults", gpu_type="H100", fault="cards-short") == 1
    assert world.value("sublet_guarantee_faults", gpu_type="H100", fault="lessened") == 2


def test_what_jobs_have_is_told_apart(world: MetricWorld) -> None:
    world.hold("j", holder=Holder.JOB, job_id=JobId("job"), group=GroupName("nlp"))
    assert world.value("sublet_group_job_cards", **NLP) == 1
    assert world.value("sublet_group_held_cards", **NLP) == 0
    pool = {"pool": "interactive", "gpu_type": "H100"}
    assert world.value("sublet_pool_job_cards", **pool) == 1


def test_lent_and_called_back_cards_are_told_by_group_and_pool(world: MetricWorld) -> None:
    held = world.hold("s0", group=GroupName("arts"))
    since = world.now
    world.apply(Change(slices=(replace(held, lent_since=since, called_back_since=since),)))
    world.pass_time(timedelta(minutes=5))
    assert world.value("sublet_group_lent_cards", **ARTS) == 1
    assert world.value("sublet_group_called_back_cards", **ARTS) == 1
    assert world.value("sublet_called_back_seconds", group="arts", parent="") == 300
    pool = {"pool": "interactive", "gpu_type": "H100"}
    assert world.value("sublet_pool_lent_cards", **pool) == 1
    assert world.value("sublet_pool_held_cards", **pool, rank="called-back") == 1
    assert world.value("sublet_lent_slices") == 1
    world.release("s0")
    assert world.having("sublet_called_back_seconds") == 0
    assert world.having("sublet_pool_held_cards") == 0


def test_a_type_that_does_not_concern_a_group_has_no_metrics_of_it(world: MetricWorld) -> None:
    world.hold("s0", group=GroupName("nlp"))
    told = {dict(labels).get("gpu_type") for name, labels in world.samples() if "_group_" in name}
    assert told - {None} == {"H100"}
    assert world.value("sublet_group_held_cards", **ARTS) is None


def test_no_label_is_ever_the_name_of_a_person(world: MetricWorld) -> None:
    world.hold("s0", group=GroupName("nlp"))
    world.hold("s1", "SIM-1", group=GroupName("left the document"))
    values = {value for _, labels in world.samples() for _, value in labels}
    assert not values & {"ada", "left the document"}
    assert world.having("sublet_group_held_cards", group="/") == 1


@pytest.mark.asyncio
async def test_others_have_a_turn_while_very_many_groups_are_read(tmp_path: Path) -> None:
    groups = "".join(f"  g{n}: {{guaranteed: {{H100: 1}}}}\n" for n in range(2 * STEP + 1))
    types = 'gpu_types: {H100: {match: "*H100*"}}\n'
    with metric_world(tmp_path, f"{types}groups:\n{groups}") as world:
        parts = sum(metric is None for metric in world.metrics.families())
        turns = 0

        async def take_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(take_turns())
        page = await world.metrics.page()
        other.cancel()
        assert parts >= 3
        assert turns > parts
        assert page == world.metrics.text()
