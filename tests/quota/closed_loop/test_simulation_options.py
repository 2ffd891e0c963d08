"""Cards, people, habits and policies as they are written in one line."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.amounts.card_text import CardsError
from sublet_quota.closed_loop.asks.card_text import read_cards
from sublet_quota.closed_loop.asks.habit_text import HabitError, people_of, with_habits
from sublet_quota.closed_loop.baselines.policies import policy_of
from sublet_quota.closed_loop.people import Habits
from sublet_quota.errors import SubletQuotaError

from tests.support.loop_cases import HOUR, MINUTE


def test_cards_of_several_kinds_lie_on_nodes_of_their_own() -> None:
    found = read_cards("9xH100:80, 2xRTX 6000:47.5")
    assert [card.kind.type for card in found] == ["H100"] * 9 + ["RTX 6000"] * 2
    assert {card.node for card in found} == {"node-0-0", "node-0-1", "node-1-0"}
    assert len({card.gpu_id for card in found}) == 11
    assert found[-1].kind.memory_mib == 48640


@pytest.mark.parametrize("text", ["", "H100", "0xH100:80", "2xH100:1", "2xH100:80,", "99999xA:80"])
def test_cards_that_cannot_be_meant_are_told(text: str) -> None:
    with pytest.raises(CardsError, match=r"NUMBERxMODEL:GIB|up to"):
        read_cards(text)


def test_habits_are_said_by_name() -> None:
    said = ["works=3m", "thinks=90", "comes=9h-10h", "cards=1/4", "jobs-a-day=2", "size=small"]
    found = with_habits(Habits(), said)
    assert (found.works, found.thinks) == (3 * MINUTE, timedelta(seconds=90))
    assert found.comes == (9 * HOUR, 10 * HOUR)
    assert (found.cards, found.jobs_a_day, found.size) == (Fraction(1, 4), 2, "small")
    assert with_habits(Habits(), []) == Habits()


@pytest.mark.parametrize(
    "text",
    [
        "works",
        "sleeps=3h",
        "works=soon",
        "works=0",
        "comes=9h",
        "comes=11h-8h",
        "cards=2",
        "cards=1/0",
        "forgets=2",
        "jobs_a_day=-1",
        "jobs_a_day=nan",
    ],
)
def test_habits_that_cannot_be_meant_are_told(text: str) -> None:
    with pytest.raises(HabitError) as told:
        with_habits(Habits(), [text])
    assert text in str(told.value)


def test_people_are_spread_over_groups_or_said_by_group() -> None:
    spread = people_of("5", ("a", "b"), Habits())
    assert [each.groups for each in spread] == [("a",)] * 3 + [("b",)] * 2
    said = people_of("a=1, b=2", (), Habits())
    assert [each.name for each in said] == ["a-0", "b-0", "b-1"]
    assert people_of("2", (), Habits())[0].groups == ()


@pytest.mark.parametrize("text", ["", "0", "many", "a=", "a=x", "a=1,a=2", "=3", "1000000"])
def test_people_that_cannot_be_meant_are_told(text: str) -> None:
    with pytest.raises(HabitError):
        people_of(text, ("a",), Habits())


def test_policies_are_named() -> None:
    texts = ("static", "fcfs", "notebookos", "cull:30m", "cull:90", "replay:1h")
    names = [policy_of(text).name for text in texts]
    assert names == ["static", "fcfs", "notebookos", "cull 30m", "cull 90s", "replay 1h"]


@pytest.mark.parametrize(
    "text", ["", "cull", "cull:", "cull:soon", "cull:0", "static:3", "fcfs:1h", "replay", "best"]
)
def test_policies_that_are_none_are_told(text: str) -> None:
    with pytest.raises(SubletQuotaError):
        policy_of(text)
