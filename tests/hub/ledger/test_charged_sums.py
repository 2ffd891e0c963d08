"""What the database adds up of hours by kind is what they come to row by row, on both databases."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from sublet_hub.ledger.charged_hours import ChargedHourStore
from sublet_hub.ledger.charged_sums import ChargedSums
from sublet_hub.ledger.database import Database
from sublet_quota.budgets.charge import HeldKind, HeldTime
from sublet_quota.budgets.spending import ChargedHour
from sublet_quota.names.ids import GroupName, UserName

BEGIN = datetime(2026, 11, 24, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
END = BEGIN + 6 * HOUR
MODELS = ("NVIDIA H100", "NVIDIA L4")


def stored(database: Database) -> list[ChargedHour]:
    """Store hours of some owners and payers, from before the time to after it; return those in."""
    drawn = random.Random(7)  # noqa: S311 - the same hours in each run
    parts = [
        ChargedHour(
            BEGIN + (number - 1) * HOUR,
            payer,
            UserName(owner),
            model,
            HeldTime(kind, right, *(drawn.randrange(10**9) for _ in range(2)), paid),
        )
        for number in range(8)
        for payer, owner in (("lab", "ada"), ("lab", "bob"), (None, "bob"))
        for payer in (None if payer is None else GroupName(payer),)
        for model in MODELS
        for kind in HeldKind
        for right in (True, False)
        for paid in (drawn.randrange(10**6) if kind is HeldKind.LENT and owner == "ada" else 0,)
    ]
    ChargedHourStore(database).add(parts, END)
    return [part for part in parts if BEGIN <= part.hour < END]


def test_sums_are_those_of_the_rows(database: Database) -> None:
    parts, sums = stored(database), ChargedSums(database)
    for owner in (None, "bob"):
        for by_owner in (True, False):
            expected: defaultdict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0])
            for part in parts:
                if owner not in (None, part.owner):
                    continue
                time, name = part.time, part.owner if by_owner else ""
                found = expected[part.payer, name, part.model, time.kind, time.entitled]
                found[0] += time.held_us
                found[1] += time.card_us
            told = {
                (each.payer, each.owner, each.model, each.time.kind, each.time.entitled): [
                    each.time.held_us,
                    each.time.card_us,
                ]
                for each in sums.held(BEGIN, END, owner, by_owner=by_owner)
            }
            assert told == expected


def test_what_guests_paid_is_told_hour_by_hour_of_each_holder(database: Database) -> None:
    parts, sums = stored(database), ChargedSums(database)
    expected: defaultdict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0])
    for part in parts:
        if part.time.kind is HeldKind.LENT and part.owner == "ada":
            found = expected[part.hour, part.payer, part.model]
            found[0] += part.time.card_us
            found[1] += part.time.paid_us
    lent = list(sums.lent(BEGIN, END, None))
    assert {each.owner for each in lent} == {"ada"}
    assert sorted([each.card_us, each.paid_us] for each in lent) == sorted(expected.values())
    assert list(sums.lent(BEGIN, END, "bob")) == []


def test_of_a_time_in_which_nothing_was_held_there_is_no_sum(database: Database) -> None:
    sums = ChargedSums(database)
    for by_owner in (True, False):
        assert list(sums.held(BEGIN, END, None, by_owner=by_owner)) == []
    assert list(sums.lent(BEGIN, END, None)) == []
