"""One round of the queue hangs on no order of arrival in it, and on no name; lots decide ties."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.shares.fair_turns import FairTurns

from tests.support.job_cases import a_job, ordered, planned
from tests.support.quota_cases import H100, L4, document, gpu, notebook, part
from tests.support.renamed import GROUPS, NAMES, Names

TEXT = """
gpu_types: {{H100: {{match: "*H100*"}}, L4: {{match: "*L4*"}}}}
groups:
  {0}: {{guaranteed: {{H100: {g0}}}, limit: {{H100: 3}}}}
  {1}: {{guaranteed: {{H100: {g1}}}, weight: 2}}
  {2}: {{guaranteed: {{L4: 1}}}}
"""


@dataclass(frozen=True)
class Asked:
    person: int
    group: int | None
    gib: int | None
    gpu_type: str | None


ASKED = st.builds(
    Asked,
    st.integers(0, len(NAMES) - 1),
    st.one_of(st.none(), st.integers(0, len(GROUPS) - 1)),
    st.sampled_from([10, 40, None]),
    st.sampled_from([None, None, "H100", "L4"]),
)
ROUNDS = st.lists(ASKED, min_size=2, max_size=8)
CARDS = (gpu("h0", H100), gpu("h1", H100, index=1), gpu("h2", H100, index=2), gpu("l", L4, index=3))
HELD = st.lists(
    st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 2)), st.integers(0, 2)),
    max_size=3,
)


def hub(names: Names, guaranteed: tuple[int, int], held: list) -> Holdings:
    said = TEXT.format(*names.groups, g0=guaranteed[0], g1=guaranteed[1])
    slices = [
        notebook(
            f"s{n}",
            names.people[person],
            part(1 / 2),
            f"h{card}",
            group=None if group is None else names.groups[group],
        )
        for n, (person, group, card) in enumerate(held)
    ]
    return Holdings(document(said), CARDS, slices, turns=names)


def job(number: int, asked: Asked, names: Names) -> WaitingJob:
    group = None if asked.group is None else names.groups[asked.group]
    owner, lot = names.people[asked.person], (number * 37 + 11) % 101
    return a_job(f"j{number}", group, asked.gib, owner=owner, gpu_type=asked.gpu_type, lot=lot)


def decided(
    asked: list[Asked], order: list[int], names: Names, guaranteed: tuple[int, int], held: list
) -> tuple[list[str], dict[str, str], dict[str, str]]:
    """The order of a round, who is placed on which card, and why each other waits."""
    there = hub(names, guaranteed, held)
    jobs = ordered(there, *(job(n, asked[n], names) for n in order))
    plan = planned(there, *jobs, lends_gib=60)
    why = {each.job_id: each.why.reason.value for each in plan.waits}
    placed = {each.job.job_id: each.gpu_id for each in plan.placements}
    return [each.job_id for each in jobs], placed, why


@given(ROUNDS, HELD, st.tuples(st.integers(0, 3), st.integers(0, 3)), st.data())
@settings(max_examples=80, deadline=None)
def test_a_round_hangs_on_no_order_of_arrival_and_on_no_name(
    asked: list[Asked], held: list, guaranteed: tuple[int, int], data: st.DataObject
) -> None:
    arrivals = list(range(len(asked)))
    first = decided(asked, arrivals, Names(), guaranteed, held)
    others = data.draw(st.permutations(arrivals))
    renamed = Names(
        tuple(data.draw(st.permutations(NAMES))), tuple(data.draw(st.permutations(GROUPS)))
    )
    assert decided(asked, others, renamed, guaranteed, held) == first


def test_of_types_that_are_alike_the_draw_of_the_installation_says_which_comes_first() -> None:
    text = "gpu_types: {A: {match: '*H100*'}, B: {match: '*L4*'}}\n"
    alike = L4.__class__("NVIDIA L4", H100.memory_mib, H100.margin_mib)
    cards = (gpu("a", H100), gpu("b", alike, index=1))
    text += "groups: {lab: {guaranteed: {A: 1, B: 1}}}"
    due = set()
    for drawn in range(20):
        held = Holdings(document(text), cards, turns=FairTurns(drawn))
        (first,) = ordered(held, a_job("j", "lab"))
        due.add(first.entitled_on)
    assert due == {"A", "B"}
