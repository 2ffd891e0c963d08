"""Groups and users that a document names and the hub does not know."""

import pytest
from sublet_quota.document.consistency.hub_names import (
    KnownNames,
    hub_name_warnings,
    named_users,
)
from sublet_quota.document.reading import read_quota_document

TEXT = """\
groups:
  science:
    groups:
      nlp: {members: [hub-nlp, hub-speach]}
      vision: {}
  ml-101: {members: []}
exceptions:
  - {who: [ada, ben], set: {jobs: {most: 2}}, until: 2030-01-01, why: thesis}
"""
DOCUMENT = read_quota_document(TEXT)
ALL = frozenset({"hub-nlp", "hub-speach", "vision"})


def told(known: KnownNames) -> list[str]:
    return [str(each) for each in hub_name_warnings(DOCUMENT, known)]


def test_what_the_hub_knows_is_no_warning() -> None:
    assert told(KnownNames(ALL, {"ada": True, "ben": True})) == []


def test_a_group_that_the_hub_has_not_is_told_with_its_line_and_what_is_near() -> None:
    assert told(KnownNames(frozenset({"hub-nlp", "hub-speech", "vision"}))) == [
        (
            "line 4: groups.science.groups.nlp.members: JupyterHub has no group 'hub-speach' "
            "(did you mean 'hub-speech'?)"
        )
    ]


def test_a_group_without_members_is_told_of_by_its_own_name_unless_it_holds_others() -> None:
    assert told(KnownNames(ALL - {"vision"})) == [
        (
            "line 5: groups.science.groups.vision: JupyterHub has no group of this name, so nobody "
            "is a member"
        )
    ]


def test_a_user_whom_the_hub_does_not_know_yet_is_told() -> None:
    known = KnownNames(ALL, {"ada": True, "ben": False}, frozenset({"ada", "bena"}))
    assert told(known) == [
        "line 8: exceptions[0].who: JupyterHub has no user 'ben' yet (did you mean 'bena'?)"
    ]
    assert named_users(DOCUMENT) == {"ada", "ben"}


def test_of_users_who_were_not_asked_after_nothing_is_said() -> None:
    assert told(KnownNames(ALL, {})) == []


def test_a_hub_that_does_not_tell_of_its_groups_is_said_to() -> None:
    (only,) = told(KnownNames(None))
    assert only.startswith("line 1: groups: whether JupyterHub has the groups")
    assert "lacks the scope `list:groups`" in only


def test_of_very_many_that_are_not_there_the_first_are_told_and_how_many_more() -> None:
    members = ", ".join(f"g{number}" for number in range(130))
    document = read_quota_document(f"groups: {{lab: {{members: [{members}]}}}}")
    told_ = hub_name_warnings(document, KnownNames(frozenset({"g1x"})))
    assert len(told_) == 101
    assert "has not 30 more of the groups" in told_[-1].words


@pytest.mark.parametrize("text", ["{}", "groups: {lab: {members: []}}"])
def test_a_document_that_names_nobody_is_never_warned_of(text: str) -> None:
    assert hub_name_warnings(read_quota_document(text), KnownNames(None)) == ()
