"""Reservations: guarantees between two times by a wall clock, added to groups and those above."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.document.lookups.reservations import coming
from sublet_quota.document.quota_document import QuotaDocument

from tests.support.quota_documents import document, problems_of


def lab(at: str, until: str = "2028-01-01", zone: str = "Europe/Berlin") -> QuotaDocument:
    return document(
        f"""
        groups:
          science:
            guaranteed: {{L4: 2}}
            groups: {{lab: {{guaranteed: {{L4: 1}}}}, other: {{guaranteed: {{L4: 1}}}}}}
        reservations:
          - name: course
            for: lab
            guaranteed: {{L4: 4, A100: 0.5}}
            at: "{at}"
            zone: {zone}
            until: {until}
        """
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def guaranteed(read: QuotaDocument, moment: str) -> Fraction:
    return read.at(at(moment)).all_groups["lab"].guaranteed["L4"]  # type: ignore[index]


def times(read: QuotaDocument, first: str, last: str) -> list[str]:
    """When the guarantee is more, from one change to the next."""
    now, found = at(first), []
    while now < at(last):
        change = read.changes_after(now) or at(last)
        if guaranteed(read, now.strftime("%Y-%m-%d %H:%M")) > 1:
            found.append(f"{now:%d.%m. %H:%M}-{change:%H:%M}")
        now = change
    return found


def test_it_is_added_to_its_group_and_to_those_above_while_it_lasts() -> None:
    read = lab("Mon 14:00-16:00")
    during = read.at(at("2026-12-07 14:00")).all_groups
    assert during["lab"].guaranteed == {"L4": 5, "A100": Fraction(1, 2)}  # type: ignore[index]
    assert during["science"].guaranteed == {"L4": 6, "A100": Fraction(1, 2)}  # type: ignore[index]
    assert during["other"].guaranteed == {"L4": 1}  # type: ignore[index]
    after = read.at(at("2026-12-07 15:00")).all_groups
    assert after["science"].guaranteed == {"L4": 2}  # type: ignore[index]


@pytest.mark.parametrize(
    ("when", "zone", "first", "last", "expected"),
    [
        (
            "Mon 14:00-16:00",
            "Europe/Berlin",
            "2026-12-01",
            "2026-12-16",
            ["07.12. 13:00-15:00", "14.12. 13:00-15:00"],
        ),
        # Summer time begins on the 28th of March.
        (
            "Sat,Mon 14:00-16:00",
            "Europe/Berlin",
            "2027-03-26",
            "2027-03-31",
            ["27.03. 13:00-15:00", "29.03. 12:00-14:00"],
        ),
        (
            "Tue-Thu 22:00-24:00",
            "UTC",
            "2026-12-01",
            "2026-12-03",
            ["01.12. 22:00-00:00", "02.12. 22:00-00:00"],
        ),
        (
            "2026-12-05 00:00-01:00",
            "Asia/Tokyo",
            "2026-12-01",
            "2026-12-10",
            ["04.12. 15:00-16:00"],
        ),
        # Clocks leave this hour out on the 28th of March, and have it twice on the 31st of October.
        ("Sun 02:00-03:00", "Europe/Berlin", "2027-03-24", "2027-04-06", ["04.04. 00:00-01:00"]),
        ("Sun 02:00-03:00", "Europe/Berlin", "2027-10-30", "2027-11-02", ["31.10. 00:00-02:00"]),
    ],
)
def test_it_lasts_by_the_wall_clock_of_its_zone(
    when: str, zone: str, first: str, last: str, expected: list[str]
) -> None:
    assert times(lab(when, zone=zone), first, last) == expected


def test_until_includes_its_day() -> None:
    read = lab("Mon 14:00-16:00", until="2026-12-07")
    assert times(read, "2026-12-01", "2027-02-01") == ["07.12. 13:00-15:00"]
    assert read.changes_after(at("2026-12-08 00:00")) is None


def test_two_that_overlap_are_added() -> None:
    read = document(
        """
        groups: {lab: {}}
        reservations:
          - {name: a, for: lab, guaranteed: {L4: 2}, at: Mon 14:00-16:00}
          - {name: b, for: lab, guaranteed: {L4: 3}, at: Mon 15:00-17:00}
        """
    )
    hours = [f"2026-12-07 {hour}:00" for hour in (13, 14, 15, 16, 17)]
    found = [read.at(at(hour)).all_groups["lab"].guaranteed.get("L4", 0) for hour in hours]  # type: ignore[index]
    assert found == [0, 2, 5, 3, 0]


def test_what_is_reserved_is_known_by_its_line() -> None:
    read = lab("Mon 14:00-16:00").at(at("2026-12-07 14:00"))
    path = ("groups", "science", "groups", "lab", "guaranteed", "L4")
    assert read.origin_of(path) == ("reservations", 0, "guaranteed", "L4")
    assert read.line_of(path) == 9


CASES = {
    "above the group's limit": (
        """
        groups: {lab: {guaranteed: {L4: 1}, limit: {L4: 4}}}
        reservations:
          - {name: course, for: lab, guaranteed: {L4: 4}, at: Mon 14:00-16:00}
        """,
        (
            "line 4: reservations[0]: 'course' would guarantee 5 cards in all, above the limit of "
            "4 that groups.lab.limit.L4 in line 2 says: reserve less, or raise the limit"
        ),
    ),
    "above the limit of a group above": (
        """
        groups: {science: {limit: {cards: 3}, groups: {lab: {}}}}
        reservations:
          - {name: course, for: lab, guaranteed: {L4: 4}, at: Mon 14:00-16:00}
        """,
        (
            "reservations[0]: 'course' would guarantee 4 cards in all, above the limit of 3 that "
            "groups.science.limit.cards in line 2"
        ),
    ),
    "together above the limit": (
        """
        groups: {lab: {limit: {L4: 4}}}
        reservations:
          - {name: a, for: lab, guaranteed: {L4: 2}, at: Mon 14:00-16:00}
          - {name: b, for: lab, guaranteed: {L4: 3}, at: "2030-06-03 15:00-17:00"}
        """,
        "reservations[1]: 'b' would guarantee 5 cards in all",
    ),
    "above a limit that an exception says": (
        """
        groups: {lab: {limit: {L4: 4}}}
        exceptions: [{groups: [lab], set: {limit: {L4: 1}}, until: 2027-01-01, why: repair}]
        reservations:
          - {name: a, for: lab, guaranteed: {L4: 2}, at: Mon 14:00-16:00}
        """,
        (
            "reservations[0]: 'a' would guarantee 2 cards in all, above the limit of 1 that "
            "exceptions[0].set.limit.L4 in line 3 says"
        ),
    ),
    "a time that is none": (
        "reservations: [{name: a, for: b, guaranteed: {L4: 1}, at: Mo 14-16}]",
        "reservations[0].at: 'Mo 14-16' is no time: write 'Mon 14:00-16:00'",
    ),
    "a time that ends before it begins": (
        "reservations: [{name: a, for: b, guaranteed: {L4: 1}, at: Mon 22:00-02:00}]",
        "reservations[0].at: 'Mon 22:00-02:00' ends before it begins: write till 24:00",
    ),
    "days the wrong way round": (
        "reservations: [{name: a, for: b, guaranteed: {L4: 1}, at: Fri-Mon 09:00-10:00}]",
        "reservations[0].at: 'Fri-Mon 09:00-10:00' is no range of days",
    ),
    "a day that is none": (
        "reservations: [{name: a, for: b, guaranteed: {L4: 1}, at: 2027-02-30 09:00-10:00}]",
        "reservations[0].at: '2027-02-30 09:00-10:00' is no day of the calendar",
    ),
    "a zone that nobody knows": (
        "reservations: [{name: a, for: b, guaranteed: {L4: 1}, at: Mon 09:00-10:00, zone: Mars}]",
        "reservations[0].zone: 'Mars' is no zone that is known here: write one such as Europe/",
    ),
    "a zone that is a path": (
        "reservations: [{name: a, for: b, guaranteed: {L4: 1}, at: Mon 09:00-10:00, zone: ../x}]",
        "reservations[0].zone: '../x' is no zone",
    ),
    "nothing": (
        "reservations: [{name: a, for: b, guaranteed: {}, at: Mon 09:00-10:00}]",
        "reservations[0].guaranteed: {} is empty: write at least 1",
    ),
    "a group that is not there": (
        (
            "groups: {lab: {}}\n"
            "reservations: [{name: a, for: lap, guaranteed: {L4: 1}, at: Mon 09:00-10:00}]"
        ),
        "reservations[0].for: names 'lap', which is not in `groups` (did you mean 'lab'?)",
    ),
    "a name that is there twice": (
        (
            "groups: {lab: {}}\nreservations:\n"
            "- {name: a, for: lab, guaranteed: {L4: 1}, at: Mon 09:00-10:00}\n"
            "- {name: a, for: lab, guaranteed: {L4: 1}, at: Tue 09:00-10:00}\n"
        ),
        "line 4: reservations[1].name: 'a' is there twice (first in line 3)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_reservation_that_cannot_be_kept_is_refused(name: str) -> None:
    text, expected = CASES[name]
    found = problems_of(text)
    assert any(expected in problem for problem in found), found


def test_one_that_is_over_before_a_limit_falls_is_none_of_its_business() -> None:
    text = """
        groups: {lab: {limit: {L4: 1}}}
        exceptions: [{groups: [lab], set: {limit: {L4: 4}}, until: 2026-12-31, why: course}]
        reservations:
          - {name: a, for: lab, guaranteed: {L4: 4}, at: Mon 14:00-16:00, until: 2026-12-14}
        """
    assert problems_of(text) == []


@given(
    st.sampled_from(
        ["Mon 00:00-24:00", "Sun 01:30-03:30", "Mon-Fri 09:00-17:00", "Sat 23:00-24:00"]
    ),
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_nothing_changes_before_the_next_change(when: str, zone: str, now: datetime) -> None:
    read = lab(when, zone=zone)
    change = read.changes_after(now)
    assert change is not None
    assert now < change <= now + timedelta(days=15)
    before, later = read.at(now).groups, read.at(change).groups
    assert before != later
    for part in range(8):
        moment = now + (change - now) * part / 8
        assert lab(when, zone=zone).at(moment).groups == before


@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "3000-01-01", "9999-12-31"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_days_at_the_ends_of_time_are_refused_with_their_line(day: str, zone: str) -> None:
    (problem,) = problems_of(
        f"""
        groups: {{lab: {{}}}}
        reservations:
          - {{name: x, for: lab, guaranteed: {{L4: 1}}, at: "{day} 00:00-24:00", zone: {zone}}}
        """
    )
    assert "is in no year from 2000 to 2999" in str(problem)
    assert "line" in str(problem)


def test_the_last_day_is_within_the_same_years() -> None:
    (problem,) = problems_of(
        """
        groups: {lab: {}}
        reservations:
          - {name: x, for: lab, guaranteed: {L4: 1}, at: "Mon 14:00-24:00", until: 9999-12-31}
        """
    )
    assert "is in no year from 2000 to 2999" in str(problem)


@pytest.mark.parametrize("day", ["2000-01-01", "2999-12-31"])
def test_the_first_and_the_last_day_of_these_years_can_be_reserved(day: str) -> None:
    read = lab(f"{day} 00:00-24:00", until=day, zone="Pacific/Kiritimati")
    change = read.changes_after(at("1999-12-01 00:00"))
    assert change is not None
    assert guaranteed(read, change.strftime("%Y-%m-%d %H:%M")) == 5


def test_those_that_begin_within_a_time_are_coming_and_the_one_that_is_on_is_not() -> None:
    read = document(
        """
        groups: {lab: {}, other: {}}
        reservations:
          - {name: weekly, for: lab, guaranteed: {L4: 1}, at: "Mon 14:00-16:00"}
          - {name: once, for: other, guaranteed: {L4: 1}, at: 2026-12-07 13:55-14:30}
          - {name: over, for: lab, guaranteed: {L4: 1}, at: "Mon 14:00-15:00", until: 2026-12-06}
        """
    ).reservations

    def told(now: str) -> list[tuple[str, str]]:
        found = coming(read, at(now), timedelta(minutes=10))
        return [(each.reservation.name, f"{each.begin:%H:%M}-{each.end:%H:%M}") for each in found]

    assert told("2026-12-07 13:44") == []
    assert told("2026-12-07 13:50") == [("once", "13:55-14:30"), ("weekly", "14:00-16:00")]
    assert told("2026-12-07 13:55") == [("weekly", "14:00-16:00")]
    assert told("2026-12-07 14:00") == []
