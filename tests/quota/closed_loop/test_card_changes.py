"""Cards that come, close, open, fail and go during a simulation: as written, and what follows."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.amounts.card_text import CardsError
from sublet_quota.closed_loop.asks.asked import Asked, CardVerb, Cell
from sublet_quota.closed_loop.asks.card_text import read_cards
from sublet_quota.closed_loop.asks.change_text import ChangeError, cards_after, read_changes
from sublet_quota.closed_loop.baselines.first_come import FirstCome
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.outcome.question import NamedDocument, Question, answer
from sublet_quota.closed_loop.people import Habits, Person, days_of

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, cards, jobs, scene
from tests.support.loop_rules import watched

SOON = Cell(MINUTE, MINUTE)
GROUPS = "groups: {science: {guaranteed: {H100: 2}}, guests: {}}"


def test_changes_are_written_with_moment_verb_and_cards() -> None:
    there = read_cards("9xH100:80,2xL4:24")
    found = read_changes(
        [
            "day 3: drain node-0-0",
            "day 2 09:30: add 2xA100:40",
            "2026-11-26T08:00: take 2xH100",
            "day 5: fail node-2-0:1",
            "day 6: open node-0-0:0",
        ],
        there,
        MONDAY,
    )
    assert [each.verb for each in found] == [
        CardVerb.ADD,
        CardVerb.DRAIN,
        CardVerb.TAKE,
        CardVerb.FAIL,
        CardVerb.OPEN,
    ]
    assert [len(each.cards) for each in found] == [2, 8, 2, 1, 1]
    assert found[0].at == MONDAY + timedelta(days=1, hours=9, minutes=30)
    assert {card.node for card in found[0].cards} == {"node-2-0"}
    # The last two of that model.
    assert [card.gpu_id for card in found[2].cards] == ["node-0-0:7", "node-0-1:0"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("add 2xH100:80", "names no change of cards"),
        ("day 2: move node-0-0", "verbs are add, close, drain"),
        ("day 2: drain", "names no change of cards"),
        ("tomorrow: drain node-0-0", "'tomorrow' is no moment"),
        ("2026-01-01: drain node-0-0", "before the beginning"),
        ("day 2: drain node-9-0", "no card or node that is there then: there are node-0-0"),
        ("day 2: take 9xH100", "there are 2 cards 'H100' to take"),
    ],
)
def test_changes_that_cannot_be_meant_are_told(text: str, words: str) -> None:
    with pytest.raises(ChangeError, match=words):
        read_changes([text], read_cards("2xH100:80"), MONDAY)


def test_new_cards_are_read_as_cards() -> None:
    with pytest.raises(CardsError):
        read_changes(["day 2: add two"], read_cards("2xH100:80"), MONDAY)


def test_a_card_that_was_taken_is_there_no_more() -> None:
    there = read_cards("2xH100:80")
    (first,) = read_changes(["day 1: take 1xH100"], there, MONDAY)
    assert [card.gpu_id for card in cards_after(there, first)] == ["node-0-0:0"]
    with pytest.raises(ChangeError, match="no card or node"):
        read_changes(["day 1: take 1xH100", "day 2: open node-0-0:1"], there, MONDAY)


def test_cards_that_come_are_used_from_then_on() -> None:
    asked = jobs("j", "guests", 2, works=10 * HOUR)
    added = ["day 1 05:00: add 1xH100:80"]
    scenario = scene(GROUPS, asked, 24 * HOUR, on=cards(1), card_changes=added)
    for record in (watched(scenario), FirstCome(scenario).run()):
        began = sorted(each.ended - MONDAY for each in record.job_waits)
        assert began[0] <= 2 * MINUTE
        assert 5 * HOUR <= began[1] <= 5 * HOUR + 2 * MINUTE
        assert len(record.jobs_done) == 2


@pytest.mark.parametrize("verb", ["drain", "fail", "take"])
def test_jobs_on_a_card_that_is_drained_fails_or_is_taken_begin_anew(verb: str) -> None:
    asked = jobs("j", "guests", 2, works=10 * HOUR)
    changes = [f"day 1 05:00: {verb} h1"]
    scenario = scene(GROUPS, asked, 40 * HOUR, on=cards(2), card_changes=changes)
    for record in (watched(scenario), FirstCome(scenario).run()):
        (back,) = record.sent_back
        assert back.ran == pytest.approx(5 * HOUR, abs=2 * MINUTE)
        # After the other one on the card that is left, from its beginning.
        ends = sorted(at - MONDAY for at in record.jobs_done.values())
        assert ends[1] == pytest.approx(20 * HOUR, abs=4 * MINUTE)
        assert [each.started for each in record.job_waits] == [True, True]


def test_a_card_that_is_closed_keeps_what_it_has_and_takes_nothing_new() -> None:
    asked = [*jobs("j", "guests", 1, works=10 * HOUR), *jobs("k", "guests", 1, at=HOUR)]
    changes = ["day 1 00:30: close h0", "day 1 05:00: open h0"]
    scenario = scene(GROUPS, asked, 24 * HOUR, on=cards(1), card_changes=changes)
    for record in (watched(scenario), FirstCome(scenario).run()):
        assert not record.sent_back
        assert min(at - MONDAY for at in record.jobs_done.values()) <= 10 * HOUR + 2 * MINUTE


def test_a_server_on_a_card_that_fails_begins_anew_on_another() -> None:
    asked = [a_server("s", "science", "1", cells=2, works=2 * HOUR, thinks=30 * MINUTE)]
    for simulate in (watched, lambda scenario: FirstCome(scenario).run()):
        records = [
            simulate(scene(GROUPS, asked, 24 * HOUR, card_changes=[f"day 1 01:00: fail {card}"]))
            for card in ("h0", "h1")
        ]
        (record,) = (each for each in records if each.lost_with_cards)
        assert set(record.lost_with_cards) == {"s"}
        # The cell that it was at is run from its beginning, and the one behind it.
        ran = sum((each.ended - each.began for each in record.runs), timedelta())
        assert ran == pytest.approx(4.5 * HOUR, abs=2 * MINUTE)
        assert set(record.servers_left) == {"s+"}


@pytest.mark.parametrize("number", [1, 2])
def test_what_is_suspended_on_a_card_that_fails_comes_back_on_another_of_its_node(
    number: int,
) -> None:
    """It sleeps in host memory, as a job has its room; then its card fails."""
    asked = [
        a_server("sleeps", "guests", "1", cells=[SOON, Cell(5 * HOUR, MINUTE)], stays=HOUR),
        *jobs("j", "science", number, works=3 * HOUR, at=HOUR),
    ]
    changes = ["day 1 02:00: fail h0"]
    scenario = scene(GROUPS, asked, 24 * HOUR, on=cards(number), card_changes=changes)
    cluster = Cluster(scenario)
    record = watched(cluster)
    assert len(record.sent_back) == 1
    assert not record.lost_with_cards, "it lay in host memory"
    assert len(record.cells) == number, "it has run its second cell where there is another card"
    assert len(record.card_changes) == number - 1


def some_days(seed: int) -> tuple[Asked, ...]:
    habits = Habits(cards=Fraction(1, 2), comes_today=1, jobs_a_day=2, works=8 * MINUTE)
    people = [
        Person(f"{group}-{n}", (group,), habits)
        for group in ("science", "guests")
        for n in range(4)
    ]
    return days_of(people, MONDAY, MONDAY + timedelta(days=2), seed)


@pytest.mark.parametrize("seed", range(3))
def test_all_rules_hold_while_cards_come_and_go(seed: int) -> None:
    changes = [
        "day 1 09:00: close h0",
        "day 1 10:00: fail h1",
        "day 1 11:00: add 2xH100:80",
        "day 1 12:00: drain h2",
        "day 1 14:00: open h0",
        "day 1 15:00: take h3",
        "day 2 09:00: open h1",
        "day 2 11:00: take 1xH100",
        "day 2 13:00: fail h2",
    ]
    scenario = scene(GROUPS, some_days(seed), timedelta(days=2), on=cards(4), card_changes=changes)
    record = watched(scenario)
    assert record.sent_back
    assert set(record.lost_with_cards) | {each.name for each in record.sent_back}
    again = Cluster(scenario).run()
    assert again == record


def test_hours_of_cards_and_guarantees_follow_the_changes() -> None:
    base = scene(
        GROUPS,
        [a_server("s", "science")],
        24 * HOUR,
        card_changes=["day 1 06:00: take h1", "day 1 12:00: add 3xH100:80"],
    )
    question = Question(
        NamedDocument("one", base.document),
        base.cards,
        base.asked,
        base.begins,
        base.ends,
        card_changes=base.card_changes,
    )
    report = answer(question)
    (found,) = report.outcomes
    assert found.by_type[0].there_h == pytest.approx(48 - 18 + 36)
    assert found.first_unmet is not None
    assert (found.first_unmet.what, found.first_unmet.at) == ("cards", MONDAY + 6 * HOUR)
    assert "day 1 06:00: take h1." in report.notes
