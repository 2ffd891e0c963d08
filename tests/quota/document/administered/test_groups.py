"""Which groups of a document somebody administers: by a scope of the hub's, or by the document."""

import pytest
from sublet_quota.document.administered.groups import (
    GroupClaims,
    administered,
    below,
    members_below,
    with_all_below,
)
from sublet_quota.document.reading import read_quota_document

DOCUMENT = read_quota_document(
    """
groups:
  institute:
    members: []
    groups:
      science:
        members: [hub-a, hub-b]
        admins: {users: [ada], groups: [hub-leads]}
        groups:
          nlp: {members: [hub-nlp]}
          vision: {members: [hub-v, hub-a], admins: {users: [vic]}}
          lab:
      teaching: {members: [hub-t, hub-t]}
  guests: {members: [hub-nlp, hub-g]}
"""
)


def by_scope(*hub_groups: str) -> GroupClaims:
    return GroupClaims(hub_groups=frozenset(hub_groups))


@pytest.mark.parametrize(
    ("claims", "theirs"),
    [
        (GroupClaims(), ()),
        (by_scope("hub-nlp"), ("nlp",)),
        (by_scope("lab"), ("lab",)),
        (by_scope("hub-t"), ("teaching",)),
        # Others' members are in there, too: the scope of one of the hub's groups is not enough.
        (by_scope("hub-a"), ()),
        (by_scope("hub-g"), ()),
        # It is a group of the document, and none of the hub's.
        (by_scope("science"), ()),
        (by_scope("nlp"), ()),
        (by_scope("institute"), ()),
        (by_scope("nobody", "hub-nlp", "lab"), ("lab", "nlp")),
        (GroupClaims(every_group=True), ("guests", "institute")),
        (GroupClaims(user="ada"), ("science",)),
        (GroupClaims(user="Ada"), ()),
        (GroupClaims(user="vic"), ("vision",)),
        (GroupClaims(user="bob", member_of=frozenset({"hub-leads", "x"})), ("science",)),
        # Of a token that acts for nobody, groups say nothing.
        (GroupClaims(member_of=frozenset({"hub-leads"})), ()),
        (GroupClaims(user="hub-leads"), ()),
        # What is below another group of theirs is theirs anyway.
        (GroupClaims(frozenset({"hub-nlp"}), user="ada"), ("science",)),
        (GroupClaims(frozenset({"hub-t"}), user="vic"), ("teaching", "vision")),
    ],
)
def test_a_group_is_given_by_the_hubs_group_that_it_is_or_by_its_own_key(
    claims: GroupClaims, theirs: tuple[str, ...]
) -> None:
    assert administered(DOCUMENT, claims) == theirs


def test_what_is_below_a_group_is_all_that_its_path_leads_through_it() -> None:
    assert below(DOCUMENT, ("science",)) == {"nlp", "vision", "lab"}
    assert with_all_below(DOCUMENT, ("science", "nowhere")) == {"science", "nlp", "vision", "lab"}
    assert below(DOCUMENT, ()) == frozenset()
    assert members_below(DOCUMENT, ("science",)) == {"hub-a", "hub-b", "hub-nlp", "hub-v", "lab"}


def test_no_exception_names_admins() -> None:
    text = "groups: {g: {}}\nexceptions: [{groups: [g], set: {admins: {users: [bob]}}, why: x}]"
    with pytest.raises(Exception, match="admins: is no known key"):
        read_quota_document(text)
