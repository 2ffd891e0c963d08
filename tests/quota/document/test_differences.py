"""How documents differ, and how rights are told."""

from datetime import UTC, datetime

import pytest
from sublet_quota.document.differences import (
    Difference,
    right_differences,
    written_differences,
)
from sublet_quota.document.reading import read_quota_document
from sublet_quota.document.rights import rights_of
from sublet_quota.document.told_rights import tell_rights

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BEFORE = """\
everyone: {limit: {cards: 2}}
groups:
  a: {guaranteed: {H100: 2}, members: [x], sizes: [small]}
  b: {each: {limit: {cards: 4}}}
"""


@pytest.mark.parametrize(
    ("after", "keys"),
    [
        (BEFORE, ()),
        ("# else\n" + BEFORE, ()),
        (BEFORE.replace("H100: 2", "H100: 3"), (("groups.a.guaranteed.H100", "2", "3"),)),
        (BEFORE.replace("[x]", "[x, y]"), (("groups.a.members", "x", "x, y"),)),
        (BEFORE.replace("[x]", "[]"), (("groups.a.members", "x", "none"),)),
        (BEFORE.replace(", sizes: [small]", ""), (("groups.a.sizes", "small", None),)),
        (
            BEFORE + "closed: [{node: n, why: fan}]\n",
            (
                ("closed[0].node", None, "n"),
                ("closed[0].why", None, "fan"),
            ),
        ),
        (
            BEFORE + "shrink: {grace: 90m}\nfair_share: {half_life: 2d, most_lag: 90}\n",
            (
                ("shrink.grace", "24h", "90m"),
                ("fair_share.half_life", "7d", "2d"),
                ("fair_share.most_lag", "24h", "90s"),
            ),
        ),
        (
            BEFORE
            + "exceptions:\n"
            + "  - {who: [z], set: {limit: {memory: 24 GiB}}, until: 2026-12-14, why: x}\n"
            + "  - {who: [z], set: {limit: {memory: 0.5 GiB}}, "
            + "until: 2026-12-14 18:00+01:00, why: x}\n",
            (
                ("exceptions[0].who", None, "z"),
                ("exceptions[0].set.limit.memory", None, "24 GiB"),
                ("exceptions[0].until", None, "2026-12-14"),
                ("exceptions[0].why", None, "x"),
                ("exceptions[1].who", None, "z"),
                ("exceptions[1].set.limit.memory", None, "512 MiB"),
                ("exceptions[1].until", None, "2026-12-14 17:00Z"),
                ("exceptions[1].why", None, "x"),
            ),
        ),
        (
            BEFORE + "pools: [{name: interactive, lend: false}]\n",
            (("pools.interactive.lend", "true", "false"),),
        ),
        (
            BEFORE + "pools: [{name: interactive, default: true}, {name: slow, types: [L4]}]\n",
            (("pools.interactive.default", "false", "true"), ("pools.slow.types", None, "L4")),
        ),
        (BEFORE + "  c: {groups: {d: {}}}\n", (("groups.c.groups.d", None, "is there"),)),
    ],
)
def test_each_key_that_says_something_else_is_told(
    after: str, keys: tuple[tuple[str, str | None, str | None], ...]
) -> None:
    found = written_differences(read_quota_document(BEFORE), read_quota_document(after))
    assert set(found) == {Difference(*each) for each in keys}


@pytest.mark.parametrize(
    ("after", "rights"),
    [
        (
            BEFORE.replace("H100: 2", "H100: 3"),
            (("member of a: a is guaranteed H100", "2 cards", "3 cards"),),
        ),
        (
            BEFORE.replace("cards: 2", "cards: 3"),
            (
                ("in no group: limit of cards", "2 cards", "3 cards"),
                ("member of a: limit of cards", "2 cards", "3 cards"),
            ),
        ),
        (
            BEFORE.replace("cards: 4", "cards: unlimited"),
            (("member of b: limit of cards", "4 cards", "no limit"),),
        ),
        (
            BEFORE
            + "exceptions: [{groups: [a], set: {sizes: [large]}, until: 2026-12-01, why: w}]",
            (("member of a: sizes", "small", "large (until 2026-12-02 00:00 UTC: w)"),),
        ),
        (
            BEFORE
            + "exceptions: [{groups: [a], set: {sizes: [large]}, until: 2026-11-01, why: w}]",
            (),
        ),
        (BEFORE + "  c: {sizes: [small]}\n", ()),
        (
            BEFORE + "notebooks: {when_full: queue, wait_most: 90m}\n",
            tuple(
                (f"{who}: a notebook without room", "is refused", "waits in line, at most 90 min")
                for who in ("in no group", "member of a", "member of b")
            ),
        ),
        (
            BEFORE + "notebooks: {when_full: refuse}\n",
            (),
        ),
    ],
)
def test_the_rights_that_follow_are_told_of_groups_that_both_have(
    after: str, rights: tuple[tuple[str, str, str], ...]
) -> None:
    found = right_differences(read_quota_document(BEFORE), read_quota_document(after), NOW)
    assert found == tuple(Difference(*each) for each in rights)


def test_rights_are_told_in_the_largest_unit_that_says_them() -> None:
    text = """\
everyone:
  limit: {cards: 1/2, memory: 20 GiB, H100: unlimited, slices: 1}
  keep_a_day: 90m
  max_idle: 8h
  jobs: {max_run: 2d, most: 0, types: [], limit: {cards: 3}}
  own_amounts: false
"""
    document = read_quota_document(text)
    told = {
        line.right: (line.value, line.line)
        for line in tell_rights(document, rights_of(document, "ada", ()), NOW)
    }
    assert told == {
        "limit of H100": ("no limit", 2),
        "limit of cards": ("0.5 cards", 2),
        "limit of memory": ("20 GiB", 2),
        "limit of slices": ("1", 2),
        "limit of running jobs: H100": ("no limit", None),
        "limit of running jobs: cards": ("3 cards", 5),
        "limit of running jobs: memory": ("no limit", None),
        "limit of running jobs: slices": ("no limit", None),
        "most jobs": ("0", 5),
        "slices kept from being lent, a day": ("90 min", 3),
        "a notebook without room": ("is refused", None),
        "longest idleness of a server": ("8 h", 4),
        "sizes": ("all", None),
        "GPU types": ("all", None),
        "own amounts": ("no", 6),
        "GPU types of jobs": ("none", 5),
        "longest run of a job": ("2 d", 5),
    }


SIZES_FOR = """\
groups: {science: {groups: {nlp: {}}}, arts: {}}
everyone: {sizes: [small, big]}
sizes:
  - {name: small, memory: 1/8, compute: 1/8}
  - {name: big, memory: 1/2, compute: 1/2, for: [arts]}
  - {name: whole, memory: 1, compute: 1, for: [science]}
"""


@pytest.mark.parametrize(
    ("member", "told"),
    [
        ("nlp", [("size whole", "yes", "sizes.whole.for", 6)]),
        ("arts", [("size big", "yes", "sizes.big.for", 5)]),
        ("", []),
    ],
)
def test_a_size_that_comes_by_its_own_for_is_told_by_that_line(
    member: str, told: list[tuple[str, str, str, int]]
) -> None:
    document = read_quota_document(SIZES_FOR)
    lines = tell_rights(document, rights_of(document, "ada", (member,)), NOW)
    found = [(each.right, each.value, each.source, each.line) for each in lines]
    assert [each for each in found if each[0].startswith("size")] == [
        ("sizes", "small", "everyone.sizes", 2),
        *told,
    ]


def test_a_size_that_an_exception_names_beside_its_for_is_told_by_the_exception() -> None:
    document = read_quota_document(
        SIZES_FOR
        + "exceptions: [{who: [ada], set: {sizes: [whole]}, until: 2031-12-01, why: thesis}]\n"
    )
    lines = tell_rights(document, rights_of(document, "ada", ("arts",)), NOW)
    found = [(each.right, each.value, each.source) for each in lines]
    assert [each for each in found if each[0].startswith("size")] == [
        ("sizes", "whole (until 2031-12-02 00:00 UTC: thesis)", "exceptions[0].set.sizes"),
        ("size big", "yes", "sizes.big.for"),
    ]


def test_what_a_group_and_all_above_it_are_guaranteed_and_limited_to_is_told_with_the_payer() -> (
    None
):
    text = """\
groups:
  science:
    guaranteed: {H100: 2}
    limit: {H100: 4, memory: 80 GiB}
    groups:
      nlp: {limit: {slices: 3, cards: unlimited}}
"""
    document = read_quota_document(text)
    told = [
        (line.right, line.value, line.source, line.line)
        for line in tell_rights(document, rights_of(document, "ada", ("nlp",)), NOW)
        if line.group == "nlp" and ("together" in line.right or "guaranteed" in line.right)
    ]
    within = "groups.science"
    assert told == [
        ("limit of nlp together: slices", "3", f"{within}.groups.nlp.limit.slices", 6),
        ("science is guaranteed H100", "2 cards", f"{within}.guaranteed.H100", 3),
        ("limit of science together: H100", "4 cards", f"{within}.limit.H100", 4),
        ("limit of science together: memory", "80 GiB", f"{within}.limit.memory", 4),
    ]


def test_a_groups_weight_its_jobs_and_its_reservations_are_told_with_their_lines() -> None:
    text = """\
groups:
  science:
    weight: 3
    jobs: {most: 9, limit: {cards: 2}}
    groups: {nlp: {}}
reservations:
  - {name: lab, for: nlp, guaranteed: {H100: 2}, at: "Mon 14:00-16:00", zone: Europe/Berlin}
  - {name: exam, for: nlp, guaranteed: {H100: 1}, at: 2031-02-15 14:00-16:00}
  - {name: other, for: else, guaranteed: {H100: 1}, at: "Tue 08:00-09:00", until: 2031-03-01}
"""
    document = read_quota_document(text.replace("  science:", "  else: {}\n  science:"))
    now = datetime(2026, 11, 24, tzinfo=UTC)
    in_force = document.at(now)
    told = {
        line.right: (line.value, line.source, line.line)
        for line in tell_rights(in_force, rights_of(in_force, "ada", ("nlp",)), now)
        if line.group == "nlp"
    }
    assert told["weight of science"] == ("3", "groups.science.weight", 4)
    assert told["weight of nlp"] == ("1", "when nobody says", None)
    assert told["most jobs of science together"] == ("9", "groups.science.jobs.most", 5)
    running = told["limit of running jobs of science together: cards"]
    assert running == ("2 cards", "groups.science.jobs.limit.cards", 5)
    lab = told["reserved for nlp: H100 (lab)"]
    assert lab == (
        "2 cards, Mon 14:00-16:00 Europe/Berlin; next from 2026-11-30 13:00 UTC",
        "reservations[0].guaranteed.H100",
        8,
    )
    assert told["reserved for nlp: H100 (exam)"][0] == (
        "1 card, 2031-02-15 14:00-16:00 UTC; next from 2031-02-15 14:00 UTC"
    )
    assert not any("other" in name for name in told)


def test_what_an_exception_says_is_told_with_its_reason_and_its_end() -> None:
    text = """\
groups: {nlp: {guaranteed: {H100: 1}}}
exceptions:
  - {who: [bob], set: {limit: {cards: 9}}, until: 2026-12-01, why: over}
  - {who: [ada], set: {limit: {cards: 3}}, until: 2026-12-14, why: thesis}
  - {groups: [nlp], set: {guaranteed: {H100: 2}}, why: paper}
"""
    now = datetime(2026, 12, 3, tzinfo=UTC)
    in_force = read_quota_document(text).at(now)
    told = {
        line.right: (line.value, line.source, line.line)
        for line in tell_rights(in_force, rights_of(in_force, "ada", ("nlp",)), now)
    }
    assert told["limit of cards"] == (
        "3 cards (until 2026-12-15 00:00 UTC: thesis)",
        "exceptions[1].set.limit.cards",
        4,
    )
    assert told["nlp is guaranteed H100"] == (
        "2 cards (paper)",
        "exceptions[2].set.guaranteed.H100",
        5,
    )
    assert told["limit of slices"] == ("4", "when nobody says", None)


def test_the_name_of_a_right_is_bounded_whatever_a_groups_name_is() -> None:
    name = "g" * 255
    document = read_quota_document(f"groups: {{{name}: {{limit: {{cards: 1}}}}}}")
    lines = tell_rights(document, rights_of(document, "ada", (name,)), NOW)
    assert max(len(line.right) for line in lines) <= 255


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ("2026-12-07 12:59", ["2 cards", "next from 2026-12-07 13:00 UTC"]),
        ("2026-12-07 13:00", ["2 cards", "on until 2026-12-07 15:00 UTC"]),
        ("2026-12-07 15:00", ["2 cards", "next from 2026-12-14 13:00 UTC"]),
        ("2026-12-14 15:00", []),
    ],
)
def test_of_a_reservation_is_told_when_it_is_on_next_and_nothing_once_it_is_over(
    now: str, told: list[str]
) -> None:
    text = """\
groups: {nlp: {}}
reservations:
  - name: lab
    for: nlp
    guaranteed: {H100: 2}
    at: Mon 14:00-16:00
    zone: Europe/Berlin
    until: 2026-12-14
"""
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    document = read_quota_document(text).at(at)
    lines = tell_rights(document, rights_of(document, "ada", ("nlp",)), at)
    found = [line.value for line in lines if line.right == "reserved for nlp: H100 (lab)"]
    when = "Mon 14:00-16:00 Europe/Berlin, until 2026-12-14"
    assert found == ([f"{told[0]}, {when}; {told[1]}"] if told else [])
