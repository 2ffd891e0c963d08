"""The turns of one round of the line hang on no order of arrival in it, and on no name."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.turns.past_uses import NO_PAST_USE
from sublet_quota.names.ids import UserName
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.server_queue.line_order import in_order
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.turns import next_placed
from sublet_quota.shares.fair_order import RequestId
from sublet_quota.shares.fair_turns import FairTurns

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.quota_cases import H100, L4, NOON, document, gpu
from tests.support.renamed import GROUPS, NAMES, Names

TEXT = (
    "gpu_types: {{H100: {{match: '*H100*'}}, L4: {{match: '*L4*'}}}}\n"
    + PARTS.replace("{", "{{").replace("}", "}}")
    + """
pools: [{{name: interactive, memory_overcommit: 1, compute_overcommit: 1}}]
groups:
  {0}: {{guaranteed: {{H100: {g0}}}, limit: {{H100: 2}}}}
  {1}: {{guaranteed: {{H100: {g1}}}, weight: 2}}
  {2}: {{guaranteed: {{L4: 1}}}}
"""
)
CARDS = (gpu("h0", H100), gpu("h1", H100, index=1), gpu("l", L4, index=2))


@dataclass(frozen=True)
class Asked:
    person: int
    group: int | None
    size: str
    gpu_type: str | None

    def wish(self, number: int, names: Names) -> RequestedSlice:
        groups = () if self.group is None else (names.groups[self.group],)
        return RequestedSlice(
            names.people[self.person],
            groups,
            size=self.size,
            gpu_type=self.gpu_type,
            lot=(number * 37 + 11) % 101,
        )


ASKED = st.builds(
    Asked,
    st.integers(0, len(NAMES) - 1),
    st.one_of(st.none(), st.integers(0, len(GROUPS) - 1)),
    st.sampled_from(["quarter", "half", "whole"]),
    st.sampled_from([None, None, "H100", "L4"]),
)
ROUNDS = st.lists(ASKED, min_size=2, max_size=7)


def taken(
    before: list[Asked], asked: list[Asked], order: list[int], names: Names, said: tuple[int, int]
) -> list[tuple[str, str, tuple[str, ...]]]:
    """Whose turns come one after another, on which cards, and who makes way."""
    text = TEXT.format(*names.groups, g0=said[0], g1=said[1])
    hub = SmallHub(Holdings(document(text), CARDS, turns=names))
    for number, each in enumerate(before):
        hub.hand_out(each.wish(number, names), f"before{number}")
    line = [
        QueuedServer(
            RequestId(f"r{n}"),
            UserName(names.people[asked[n].person]),
            f"server{n}",
            asked[n].wish(n, names),
            NOON,
            lot=(n * 37 + 11) % 101,
        )
        for n in order
    ]
    turns: list[tuple[str, str, tuple[str, ...]]] = []
    while True:
        turn = next_placed(hub.holdings, in_order(hub.holdings, line, NO_PAST_USE))
        if turn is None:
            return turns
        place, name = turn.placement, turn.server.request_id
        turns.append((name, place.gpu_id, tuple(sorted(place.calls_back))))
        hub.hand_out_placed(place, name)
        line.remove(turn.server)


@given(
    st.lists(ASKED, max_size=4),
    ROUNDS,
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_a_round_hangs_on_no_order_of_arrival_and_on_no_name(
    before: list[Asked], asked: list[Asked], said: tuple[int, int], data: st.DataObject
) -> None:
    arrivals = list(range(len(asked)))
    first = taken(before, asked, arrivals, Names(), said)
    others = data.draw(st.permutations(arrivals))
    renamed = Names(
        tuple(data.draw(st.permutations(NAMES))), tuple(data.draw(st.permutations(GROUPS)))
    )
    assert taken(before, asked, others, renamed, said) == first


def test_of_types_that_are_alike_the_draw_of_the_installation_says_where_a_slice_goes() -> None:
    alike = L4.__class__("NVIDIA L4", H100.memory_mib, H100.margin_mib)
    cards = (gpu("a", H100), gpu("b", alike, index=1))
    found = set()
    for drawn in range(20):
        text = PARTS + f"groups: {{lab: {{guaranteed: {{'NVIDIA L4': 1, '{H100.type}': 1}}}}}}"
        held = Holdings(document(text), cards, turns=FairTurns(drawn))
        answer = decide_slice(held, RequestedSlice("ann", ("lab",), size="whole"))
        assert isinstance(answer, Placement)
        found.add(answer.gpu_id)
    assert found == {"a", "b"}
