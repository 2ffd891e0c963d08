"""Who is sent which groups' weeks: the admins of each, or those who are named in their place."""

from collections.abc import Mapping
from typing import Final

import pytest
from sublet_quota.document.reading import read_quota_document
from sublet_quota.week_report.receivers import admin_groups, part_of, receivers_of

from tests.support.week_bodies import week_report

DOCUMENT: Final = read_quota_document("""
groups:
  science:
    members: []
    admins: {users: [grace], groups: [science-leads]}
    groups:
      nlp: {admins: {users: [ada]}}
      vision: {}
  physics: {}
""")
MEMBERS: Final = {"science-leads": frozenset({"lise"})}
BELOW: Final = frozenset({"science", "nlp", "vision"})


@pytest.mark.parametrize(
    ("named", "groups_of", "without"),
    [
        ({}, {"grace": BELOW, "lise": BELOW, "ada": {"nlp"}}, ("physics",)),
        ({"physics": ["phil"]}, {"phil": {"physics"}, "ada": {"nlp"}}, ()),
        # In the place of its admins, and of nobody above or below it.
        (
            {"science": ["phil"]},
            {"phil": BELOW, "ada": {"nlp"}, "grace": set(), "lise": set()},
            ("physics",),
        ),
        ({"nlp": []}, {"ada": set(), "grace": BELOW}, ("physics",)),
        ({"science": [], "nlp": ["ada"]}, {"ada": {"nlp"}}, ("physics", "science", "vision")),
        ({"*": ["head"]}, {"head": None, "ada": {"nlp"}}, ()),
        ({"*": ["ada"]}, {"ada": None}, ()),
        ({"gone": ["phil"]}, {"phil": set()}, ("physics",)),
    ],
)
def test_each_group_goes_to_its_admins_or_to_who_is_named(
    named: Mapping[str, list[str]],
    groups_of: Mapping[str, frozenset[str] | None],
    without: tuple[str, ...],
) -> None:
    found = receivers_of(DOCUMENT, MEMBERS, named)
    for user, groups in groups_of.items():
        told = found.groups_of.get(user, frozenset())
        assert told == groups, user
    assert found.without == without


def test_only_the_groups_of_admins_that_matter_are_asked_after() -> None:
    assert admin_groups(DOCUMENT, ()) == {"science-leads"}
    assert admin_groups(DOCUMENT, ("science",)) == frozenset()


def test_a_part_has_its_groups_and_nothing_of_others() -> None:
    report = week_report()
    (first, nobody) = report.groups
    assert part_of(report, None) == report
    part = part_of(report, frozenset({first.group, "another"}))
    assert part.groups == (first,)
    assert part_of(report, frozenset({""})).groups == (nobody,)
    assert first.group not in part_of(report, frozenset()).model_dump_json()
