"""Whoever waits in line comes to their place, whatever stream of others comes later."""

from dataclasses import dataclass
from itertools import cycle, islice

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sublet_quota.placement.slice_placement import Placement

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.queue_cases import HubWithLine, queued
from tests.support.quota_cases import L4, gpu

HEAD = (
    "gpu_types: {H100: {match: '*H100*'}, L4: {match: '*L4*'}}\n"
    + PARTS
    + "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
)
CARDS = (gpu("g0"), gpu("g1", index=1), gpu("l0", L4, node="n2"))
GROUPS = ("uni", "lab", "law", "zoo")
SIZES = ("quarter", "half", "whole")
STEPS = 24
"""So many come and go: more than can be held at once, some times over."""


@dataclass(frozen=True)
class Ask:
    """Who asks for what."""

    group: str
    size: str
    gpu_type: str | None


ASKS = st.builds(
    Ask, st.sampled_from(GROUPS), st.sampled_from(SIZES), st.sampled_from((None, "H100", "L4"))
)
CARD_LIMITS = st.sampled_from(("", "cards: 1", "H100: 1", "cards: 3/2", "memory: 80 GiB"))


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A tree of groups, some of which have limits, and one a guarantee."""
    limits = {name: f"limit: {{{draw(CARD_LIMITS)}}}" for name in GROUPS}
    guaranteed = draw(st.sampled_from(("", "guaranteed: {H100: 1/4}, ")))
    below = f"lab: {{{guaranteed}{limits['lab']}}}, law: {{{limits['law']}}}"
    uni = f"uni: {{{guaranteed}{limits['uni']}, groups: {{{below}}}}}"
    return f"{HEAD}groups: {{{uni}, zoo: {{{limits['zoo']}}}}}\n"


@example(
    f"{HEAD}groups: {{uni: {{limit: {{cards: 1}}, groups: {{lab: {{}}, law: {{}}}}}}}}\n",
    [],
    Ask("lab", "whole", "H100"),
    [Ask("lab", "quarter", "H100"), Ask("law", "quarter", "H100")],
)
@given(
    documents(),
    st.lists(ASKS, max_size=4),
    ASKS,
    st.lists(ASKS, min_size=1, max_size=2),
)
@settings(max_examples=25, deadline=None)
def test_a_stream_of_others_keeps_nobody_waiting_for_ever(
    text: str, held: list[Ask], first: Ask, stream: list[Ask]
) -> None:
    wish = {"size": first.size, "gpu_type": first.gpu_type}
    alone = SmallHub.under(text, *CARDS).ask("first", first.group, **wish)
    assume(isinstance(alone, Placement))
    hub = SmallHub.under(text, *CARDS)
    for number, one in enumerate((*held, *islice(cycle(stream), 8))):
        hub.ask(f"h{number}", one.group, size=one.size, gpu_type=one.gpu_type)
    found = HubWithLine(hub, [queued("first", first.group, **wish)])
    # Several come for each that goes: there is always somebody else who could have its room.
    for minute, one in enumerate(islice(cycle(stream), STEPS), start=1):
        for each in range(2):
            later = {"size": one.size, "gpu_type": one.gpu_type, "minute": minute}
            found.line.append(queued(f"s{minute}-{each}", one.group, **later))
        if "first" in found.take_turns():
            return
        oldest = min(hub.holdings.slices(), key=lambda one: one.age)
        hub.end(oldest.slice_id)
    raise AssertionError(found.names())
