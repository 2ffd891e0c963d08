"""Which cards are open, and why the others are not: one of few codes each."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sublet_hub.ledger.records import Change, Closing
from sublet_hub.state.collectors.closed_cards import CardClosed
from sublet_quota.names.ids import NodeId
from sublet_quota.reasons.fitness import Unfit
from sublet_quota.wire.agent_link import ToldUnfit

from tests.support.fake_agent import a_gpu
from tests.support.metric_world import NODE, MetricWorld, metric_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[MetricWorld]:
    with metric_world(tmp_path) as made:
        made.cards(1)
        yield made


def _by_admin(world: MetricWorld) -> None:
    closing = Closing(NODE, None, "fan", "root", world.now)
    world.apply(Change(closings=(closing,)))


CASES: dict[CardClosed, Callable[[MetricWorld], None]] = {
    CardClosed.SILENT: lambda world: world.pass_time(timedelta(minutes=1)),
    CardClosed.GONE: lambda world: world.report(),
    CardClosed.FAULT: lambda world: world.cards(1, closed="XID 79"),
    CardClosed.ADMIN: _by_admin,
    CardClosed.DOCUMENT: lambda world: world.document("closed: [{node: node-a, why: fan}]"),
    CardClosed.CORDONED: lambda world: world.capacity.nodes_are_cordoned(frozenset({NODE})),
    CardClosed.UNCLEAR: lambda world: world.document(
        'gpu_types: {one: {match: "*H100*"}, other: {match: "Sim*"}}'
    ),
    CardClosed.NO_POOL: lambda world: world.document("pools: [{name: p, nodes: [elsewhere]}]"),
}


def test_an_open_card_is_closed_for_no_reason(world: MetricWorld) -> None:
    assert world.having("sublet_cards", state="open", pool="interactive") == 1
    assert world.having("sublet_closed_cards") == 0
    assert world.having("sublet_gpu_memory_mib", pool="interactive") == 80 * 1024


@pytest.mark.parametrize("reason", CardClosed)
def test_a_closed_card_is_counted_by_its_reason(world: MetricWorld, reason: CardClosed) -> None:
    CASES[reason](world)
    assert world.having("sublet_closed_cards", reason=reason.value) == 1
    assert world.having("sublet_closed_cards") == 1
    assert world.having("sublet_cards", state="closed") == 1


def test_who_closes_a_card_that_failed_is_troubled_no_longer(world: MetricWorld) -> None:
    world.cards(1, closed="XID 79")
    _by_admin(world)
    assert world.having("sublet_closed_cards", reason="closed-by-agent") == 0
    assert world.having("sublet_closed_cards", reason="closed-by-admin") == 1


def test_a_card_on_which_nothing_can_be_suspended_is_no_open_one(world: MetricWorld) -> None:
    world.cards(1, unfit=(ToldUnfit(why=Unfit.MPS),))
    assert world.having("sublet_cards", state="pause-only") == 1
    assert world.having("sublet_cards", state="open") == 0


def test_cards_of_each_node_are_told(world: MetricWorld) -> None:
    world.report(a_gpu("OTHER-0", utilisation_percent=40, temperature_c=61), node=NodeId("node-b"))
    assert world.having("sublet_cards", state="open") == 2
    assert world.having("sublet_gpu_utilisation_percent", gpu="OTHER-0", node="node-b") == 40
    assert world.having("sublet_gpu_temperature_celsius", gpu="OTHER-0", node="node-b") == 61
