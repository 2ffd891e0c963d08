"""One agent's messages take a part of the service's time, and no more."""

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from sublet_hub.agents.pace import MessagePace
from sublet_quota.names.ids import NodeId
from sublet_quota.wire.agent_link import Status

from tests.support.fake_agent import a_gpu, a_report
from tests.support.hub_world import OTHER_SECRET, HubWorld, until


def test_an_agent_that_says_little_never_waits() -> None:
    pace = MessagePace()
    assert {pace.rest_s(0.004, 3, second) for second in range(100)} == {0.0}


def test_who_says_much_waits_four_times_as_long_as_that_took() -> None:
    assert MessagePace().rest_s(0.3, 0, 50) == pytest.approx(1.2)


@pytest.mark.parametrize(("each_s", "share"), [(0.3, 1 / 5), (0.5, 1 / 5), (1.0, 1 / 3)])
def test_large_messages_have_a_part_of_the_time_and_no_more(each_s: float, share: float) -> None:
    pace, now_s = MessagePace(), 0.0
    for _ in range(100):
        now_s += each_s
        now_s += pace.rest_s(each_s, 0, now_s)
    assert 100 * each_s / now_s == pytest.approx(share)


def test_many_small_messages_count_as_a_large_one() -> None:
    pace, now_s, taken_s = MessagePace(), 0.0, 0.0
    for _ in range(1000):
        taken_s += 0.001
        now_s += 0.001
        now_s += pace.rest_s(0.001, 0, now_s)
    assert taken_s / now_s == pytest.approx(0.25, abs=0.01)


def test_of_one_agents_events_five_hundred_are_stored_in_a_second() -> None:
    pace, now_s = MessagePace(), 0.0
    for _ in range(10):
        now_s += pace.rest_s(0.0, 1000, now_s)
    assert 10_000 / now_s == pytest.approx(500)


def test_no_rest_is_so_long_that_an_agent_would_count_as_gone() -> None:
    pace = MessagePace()
    assert max(pace.rest_s(60.0, 1000, 0) for _ in range(10)) == 2


class RecordedPace(MessagePace):
    """A pace that remembers how long each message took, when that ended, and the rest after it."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[tuple[float, float, float]] = []

    def rest_s(self, took_s: float, events: int, now_s: float) -> float:
        """Return the rest, and remember it."""
        rest_s = super().rest_s(took_s, events, now_s)
        self.reads.append((took_s, now_s, rest_s))
        return rest_s


@pytest.mark.asyncio
async def test_an_agent_that_reports_at_great_length_has_a_part_of_the_service_and_no_more(
    world: HubWorld,
) -> None:
    bad = await world.agent(node="node-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-9"),))
    said = Status(
        epoch=bad.epoch,
        sequence=0,
        at=datetime.now(UTC),
        gpus=bad.gpus,
        slices=tuple(a_report(f"s{n}", pids=tuple(range(1, 500))) for n in range(400)),
    ).model_dump(mode="json")
    pace = RecordedPace()
    world.assembly.connections._paces[NodeId("node-b")] = pace
    view = world.service.fleet.node("node-b")
    for _ in range(9):
        # It answers assignments meanwhile, and counts those reports, too.
        bad.sequence += 1
        await bad.send(json.dumps({**said, "sequence": bad.sequence}))
    last = bad.sequence
    await until(lambda: view.sequence >= last and len(pace.reads) >= 9)
    # Nothing was read of it while it was to rest, nor was any of that time left out.
    for (took_s, ended_s, rest_s), (next_took_s, next_ended_s, _) in pairwise(pace.reads):
        assert rest_s >= min(2, 4 * took_s) - 0.1
        assert next_ended_s - next_took_s >= ended_s + rest_s - 0.001


@pytest.mark.asyncio
async def test_who_connects_anew_for_each_message_waits_as_long(world: HubWorld) -> None:
    """A node has one pace, whichever connection its messages come by."""
    connections = world.assembly.connections
    node, other = NodeId("node-a"), NodeId("node-b")
    assert connections.pace_of(node) is connections.pace_of(node)
    assert connections.pace_of(node) is not connections.pace_of(other)
