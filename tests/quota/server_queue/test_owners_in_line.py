"""What is found out for one in line is told to others only where their owners had no part in it."""

import random
from dataclasses import replace

import pytest
from sublet_quota.admission.denial import Denial
from sublet_quota.placement.finding.question import Seen
from sublet_quota.placement.slice_placement import Placement, decided, tell
from sublet_quota.server_queue.walk import Behind, Step, walk

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.queue_cases import HubWithLine, queued, with_line
from tests.support.quota_cases import H100, L4, gpu
from tests.support.spent_budgets import spent

HEAD = """
gpu_types: {H100: {match: '*H100*'}, L4: {match: '*L4*'}}
pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]
"""
SIZES = PARTS.replace("own_amounts: true", "own_amounts: true, limit: {H100: 1, L4: 1}").replace(
    "limit: {slices: unlimited}, ", ""
)
TWO_TYPES = (gpu("h0"), gpu("h1", index=1), gpu("l0", L4, node="node-b"))


def test_a_persons_own_limit_is_nobody_elses() -> None:
    hub = SmallHub.under(HEAD + SIZES, *TWO_TYPES)
    assert isinstance(hub.ask("ada", size="whole", gpu_type="H100"), Placement)
    assert isinstance(hub.ask("eve", size="whole", gpu_type="L4"), Placement)
    # There is no L4, which is all that ada may have; of an H100 one is free.
    found = with_line(
        hub, [queued("first", owner="ada", size="whole"), queued("bob", size="whole", minute=1)]
    )
    assert list(found.take_turns()) == ["bob"]


BUDGETS = """
groups:
  lab: {guaranteed: {H100: 1}, budget: {hours: unlimited, each: {hours: 5}}}
  other: {}
"""


def test_the_hours_of_one_person_are_nobody_elses() -> None:
    hub = SmallHub.under(HEAD + PARTS + BUDGETS, gpu("h0"))
    hub.holdings.spend(spent(hub.holdings.document, "lab/ada"))
    assert isinstance(hub.ask("eve", "other", size="whole"), Placement)
    line = [queued("ada", "lab", size="whole"), queued("bob", "lab", size="whole", minute=1)]
    found = with_line(hub, line)
    assert found.names() == "bob ada"
    assert list(found.take_turns()) == ["bob"]


def test_who_has_no_hours_left_in_one_group_is_entitled_in_another() -> None:
    text = BUDGETS.replace("other: {}", "other: {guaranteed: {H100: 1}}\n  third: {}")
    hub = SmallHub.under(HEAD + PARTS + text, gpu("h0"), gpu("h1", index=1))
    hub.holdings.spend(spent(hub.holdings.document, "lab/ada"))
    both = ("lab", "other")
    line = [queued("tom", "third", size="whole"), queued("ada", *both, size="whole", minute=1)]
    assert with_line(hub, line).names() == "ada tom"


def any_line(seed: int) -> HubWithLine:
    """A hub on which people hold something, of some the hours are over, and others wait."""
    drawn = random.Random(seed)  # noqa: S311 - the same hubs in each run
    cards = [
        gpu(f"c{n}", drawn.choice((H100, L4)), f"n{n // 2}", n) for n in range(drawn.randint(1, 4))
    ]
    groups = f"""
groups:
  lab:
    guaranteed: {{H100: {drawn.randint(0, 2)}}}
    budget: {{hours: 9, each: {{hours: 5}}}}
    groups: {{vision: {{guaranteed: {{H100: {drawn.randint(0, 1)}}}}}}}
  other: {{weight: {drawn.randint(0, 2)}, limit: {{cards: 3}}}}
"""
    groups = groups.replace("guaranteed: {H100: 0}", "guaranteed: {H100: 1}", 1)
    sizes = SIZES if drawn.random() < 0.6 else PARTS
    hub = SmallHub.under(HEAD + sizes + groups, *cards)
    over = [each for each in ("lab", "lab/ada", "lab/bob") if drawn.random() < 0.3]
    hub.holdings.spend(spent(hub.holdings.document, *over))
    people = ("ada", "bob", "eve", "tom")
    memberships = ((), ("lab",), ("vision",), ("other",), ("lab", "other"), ("vision", "other"))

    def wish() -> dict[str, object]:
        found: dict[str, object] = {"size": drawn.choice(("quarter", "half", "whole"))}
        if drawn.random() < 0.2:
            found["gpu_type"] = drawn.choice(("H100", "L4"))
        if drawn.random() < 0.1:
            found["never_suspended"] = True
        return found

    for number in range(drawn.randint(2, 9)):
        answer = hub.ask(
            drawn.choice(people), *drawn.choice(memberships), name=f"s{number}", **wish()
        )
        if isinstance(answer, Placement) and drawn.random() < 0.2:
            hub.holdings.mark_unsuspendable(f"s{number}", unsuspendable=True)
    line = [
        queued(
            f"r{n}", *drawn.choice(memberships), owner=drawn.choice(people), minute=n // 2, **wish()
        )
        for n in range(drawn.randint(4, 16))
    ]
    return with_line(hub, line)


def says_alone(step: Step) -> Placement | Denial:
    """What is said of one in line where nothing of others is remembered."""
    return decided(replace(step.question, seen=Seen.nothing()))


@pytest.mark.parametrize("seed", range(100))
def test_any_line_is_told_what_each_would_be_told_alone(seed: int) -> None:
    found = any_line(seed)
    for step in walk(found.hub.holdings, found.order()):
        alone = says_alone(step)
        match step.answer:
            case Behind():
                assert isinstance(alone, Placement), step.server
            case Placement():
                assert isinstance(alone, Placement), step.server
            case Denial() as told:
                assert isinstance(alone, Denial), step.server
                assert (told.code, told.group) == (alone.code, alone.group), step.server


@pytest.mark.parametrize("seed", range(40))
def test_what_would_help_is_told_as_to_each_alone(seed: int) -> None:
    found = any_line(seed)
    for step in walk(found.hub.holdings, found.order()):
        if isinstance(step.answer, Denial):
            alone = replace(step.question, seen=Seen.nothing())
            assert tell(step.question, step.answer).helps == tell(alone, step.answer).helps
