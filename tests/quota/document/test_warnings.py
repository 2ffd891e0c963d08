"""What of a document is read, and still may not be meant."""

from datetime import UTC, datetime

import pytest
from sublet_quota.document.consistency.warnings import document_warnings, warnings_of_times

from tests.support.quota_documents import EXAMPLE, document

CASES = {
    "more guaranteed than expected": (
        """
        gpu_types: {H100: {match: "*H100*", expect: 8}}
        groups: {a: {guaranteed: {H100: 6}}, b: {guaranteed: {H100: 2.5}}}
        """,
        (
            "line 2: gpu_types.H100.expect: expects 8 cards, and 8.5 are guaranteed (a 6, b 2.5): "
            "whole cards in proportion will be in force"
        ),
    ),
    "an exception without an end": (
        "exceptions: [{who: [ada], set: {limit: {cards: 4}}, why: deadline}]",
        "line 1: exceptions[0]: has no end ('deadline'): write `until`, or make it a rule",
    ),
    "a size that is for others": (
        """
        sizes: [{name: whole, memory: 1, compute: 1, for: [staff]}]
        groups: {staff: {groups: {lab: {sizes: [whole]}}}, course: {sizes: [whole]}}
        """,
        "line 3: groups.course.sizes[0]: names 'whole', which is `for` staff alone",
    ),
    "a type that is in no pool": (
        """
        gpu_types: {H100: {match: "*H100*"}, L4: {match: "*L4*"}}
        pools: [{name: p, types: [H100]}]
        """,
        "line 2: gpu_types.L4: is a type that no pool has: its cards take nothing",
    ),
    "an idleness that no pool calls idle": (
        """
        pools: [{name: fast, default: true}, {name: slow, idle_after: 2h, types: [L4]}]
        groups: {lab: {each: {max_idle: 30m}}}
        """,
        (
            "line 3: groups.lab.each.max_idle: is shorter than `idle_after` of the pool slow: a "
            "server there is idle no sooner"
        ),
    ),
    "a size with more compute than its pool lets a slice have": (
        """
        pools: [{name: p, max_compute: 25%}, {name: q, types: [L4], default: true}]
        sizes:
          - {name: half, memory: 1/2, compute: 1/2, pool: p}
          - {name: quarter, memory: 1/4, compute: 1/4, pool: p}
          - {name: other, memory: 1/2, compute: 1/2}
        """,
        (
            "line 4: sizes.half.compute: is more than `max_compute` of the pool p (0.25 GPU): a "
            "slice of this size has up to its own share, 0.5 GPU"
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_warning_has_its_line_and_its_numbers(name: str) -> None:
    text, expected = CASES[name]
    (warning,) = document_warnings(document(text))
    assert str(warning).startswith(expected)


@pytest.mark.parametrize("text", ["", EXAMPLE])
def test_of_what_is_meant_nothing_is_told(text: str) -> None:
    assert document_warnings(document(text)) == ()


def test_a_guarantee_by_exception_is_counted_while_it_lasts() -> None:
    text = """
        gpu_types: {L4: {match: "*L4*", expect: 2}}
        groups: {a: {guaranteed: {L4: 2}}}
        exceptions: [{groups: [a], set: {guaranteed: {L4: 3}}, until: 2026-12-10, why: x}]
        """
    during, after = (
        document_warnings(document(text).at(datetime(2026, 12, day, tzinfo=UTC))) for day in (1, 24)
    )
    assert [warning.path for warning in during] == [("gpu_types", "L4", "expect")]
    assert after == ()


NOW = datetime(2026, 12, 1, tzinfo=UTC)
A_LAB = "gpu_types: {L4: {match: '*L4', expect: 2}}\ngroups: {lab: {guaranteed: {L4: 1}}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "exceptions: [{who: [a], set: {limit: {cards: 4}}, until: 2025-12-14, why: x}]",
            "line 1: exceptions[0]: is over since 2025-12-15 00:00 UTC: it does nothing",
        ),
        (
            "closed: [{node: n, until: 2026-11-30, why: x}]",
            "line 1: closed[0]: is over since 2026-12-01 00:00 UTC: it does nothing",
        ),
        (
            A_LAB + "reservations: [{name: r, for: lab, guaranteed: {L4: 1}, "
            "at: 2026-11-30 09:00-12:00}]",
            "line 3: reservations[0]: 'r' has no time to come: it does nothing",
        ),
        (
            A_LAB + "reservations: [{name: r, for: lab, guaranteed: {L4: 1.5}, "
            "at: 2026-12-02 09:00-12:00}]",
            (
                "line 3: reservations[0].guaranteed.L4: reserves 1.5 beside 1 that are always "
                "guaranteed, and 2 are expected: whole cards in proportion"
            ),
        ),
        (
            A_LAB + "reservations: [{name: r, for: lab, guaranteed: {L4: 1}, "
            "at: 2027-03-28 02:15-05:00, zone: Europe/Berlin}]",
            (
                "line 3: reservations[0].at: clocks in Europe/Berlin leave out 2027-03-28 02:15: "
                "'r' begins then at 03:15 and ends at 05:00"
            ),
        ),
        (
            A_LAB + "reservations: [{name: r, for: lab, guaranteed: {L4: 1}, "
            "at: Sun 02:15-05:00, zone: Europe/Berlin}]",
            "line 3: reservations[0].at: clocks in Europe/Berlin leave out 2027-03-28 02:15: 'r'",
        ),
    ],
)
def test_what_is_over_or_cannot_be_reserved_is_told_to_who_writes_it(
    text: str, expected: str
) -> None:
    (warning,) = warnings_of_times(document(text), NOW)
    assert str(warning).startswith(expected)


@pytest.mark.parametrize(
    "text",
    [
        "exceptions: [{who: [a], set: {limit: {cards: 4}}, until: 2026-12-01, why: x}]",
        "closed: [{node: n, why: x}, {node: m, until: 2026-12-01, why: x}]",
        A_LAB + "reservations: [{name: r, for: lab, guaranteed: {L4: 1}, at: Mon 09:00-12:00}]",
        # Summer time ends: the hour is there twice, and begins with the first.
        A_LAB + "reservations: [{name: r, for: lab, guaranteed: {L4: 1}, "
        "at: 2027-10-31 02:15-05:00, zone: Europe/Berlin}]",
    ],
)
def test_of_what_lasts_or_is_to_come_nothing_is_told(text: str) -> None:
    assert warnings_of_times(document(text), NOW) == ()
