"""Another quota document comes in force whole, with what happened while it was reckoned out."""

from datetime import timedelta
from pathlib import Path

import pytest
from sublet_hub.ledger.records import Change
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.snapshot import Rank

from tests.support.metric_world import metric_world

pytestmark = pytest.mark.asyncio

FIRST = """
gpu_types: {H100: {match: '*H100*'}}
groups: {lab: {guaranteed: {H100: 2}}}
"""
SECOND = FIRST.replace("H100: 2", "H100: 1") + "shrink: {grace: 0}\n"
UNTIL_NINE = """
gpu_types: {H100: {match: '*H100*'}}
groups: {lab: {}}
exceptions:
  - {who: [ada], set: {limit: {cards: 4}}, until: 2026-11-30 09:00+00:00, why: a deadline}
"""


async def test_until_another_document_is_reckoned_out_all_is_as_the_old_one_says(
    tmp_path: Path,
) -> None:
    with metric_world(tmp_path, FIRST) as world:
        world.cards(2)
        world.hold("s0", "SIM-0", group="lab")
        old, text = world.quota.document, world.quota.text
        seen: list[QuotaDocument] = []

        async def meanwhile(document: QuotaDocument) -> None:
            # Reckoned out, and not in force yet.
            seen.append(document)
            assert world.quota.text == text
            assert world.capacity.holdings.document == old
            world.hold("s1", "SIM-1", group="lab", created_at=world.now + timedelta(seconds=1))
            world.release("s0")

        world.quota.prepare_by(meanwhile)
        world.quota_path.write_text(SECOND)
        assert await world.quota.reload()
        assert seen == [world.quota.document]
        holdings = world.capacity.holdings
        assert holdings.document == read_quota_document(SECOND)
        assert [one.slice_id for one in holdings.slices()] == ["s1"]
        assert holdings.rank(SliceId("s1")) is Rank.ENTITLED


async def test_what_was_prepared_for_one_document_is_not_taken_for_another(tmp_path: Path) -> None:
    with metric_world(tmp_path, FIRST) as world:
        world.cards(2)
        await world.capacity.prepare(read_quota_document(SECOND))
        third = read_quota_document(FIRST + "shrink: {grace: 1h}\n")
        world.capacity.document_changed(third)
        assert world.capacity.holdings.document == third


async def test_what_was_prepared_before_another_came_in_force_is_reckoned_anew(
    tmp_path: Path,
) -> None:
    with metric_world(tmp_path, FIRST) as world:
        world.cards(2)
        world.hold("s0", "SIM-0", group="lab")
        world.hold("s1", "SIM-1", group="lab", created_at=world.now + timedelta(seconds=1))
        later = read_quota_document(FIRST)
        await world.capacity.prepare(later)
        world.capacity.document_changed(read_quota_document(SECOND))
        assert world.capacity.holdings.rank(SliceId("s1")) is Rank.BORROWED
        world.capacity.document_changed(later)
        assert world.capacity.holdings.rank(SliceId("s1")) is Rank.ENTITLED


async def test_what_ends_at_a_stated_time_is_reckoned_out_before_it_counts(tmp_path: Path) -> None:
    with metric_world(tmp_path, UNTIL_NINE) as world:
        world.cards(1)
        await world.capacity.prepare_for_time()
        assert not world.capacity.pass_time()
        world.pass_time(timedelta(hours=1))
        before = world.capacity.holdings.document
        await world.capacity.prepare_for_time()
        assert world.capacity.holdings.document == before
        world.hold("s0", "SIM-0", group="lab")
        assert world.capacity.pass_time()
        assert world.capacity.holdings.document == world.quota.document.at(world.now) != before
        assert [one.slice_id for one in world.capacity.holdings.slices()] == ["s0"]
        assert not world.capacity.pass_time()


async def test_a_listener_hears_only_of_ranks_that_are_others(tmp_path: Path) -> None:
    with metric_world(tmp_path, FIRST) as world:
        world.cards(2)
        world.hold("s0", "SIM-0", group="lab")
        world.hold("s1", "SIM-1", group="lab", created_at=world.now + timedelta(seconds=1))
        assert world.capacity.holdings.ranks_changed() == {"s0", "s1"}
        world.quota_path.write_text(SECOND)
        await world.quota.reload()
        assert world.capacity.holdings.ranks_changed() == {"s1"}
        world.apply(Change(released=(SliceId("s0"),)))
        assert world.capacity.holdings.ranks_changed() == {"s1"}
