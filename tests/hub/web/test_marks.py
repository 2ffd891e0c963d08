"""Of those who look at a page no more, no quota document of before is kept."""

import gc
import weakref
from collections.abc import Callable

import pytest
from sublet_hub.web.console.group_marks import GroupMarks
from sublet_hub.web.console.share_marks import ShareMarks
from sublet_quota.document.administered.groups import GroupClaims
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document

QUOTA = "groups: {vision: {weight: 1}, speech: {weight: 2}}\n"
Mark = Callable[[QuotaDocument, str], int | None]


def of_admins() -> Mark:
    marks = GroupMarks()
    return lambda document, group: marks.mark(document, GroupClaims(frozenset({group})))


def of_members() -> Mark:
    marks = ShareMarks()
    return lambda document, group: marks.mark(document, "ada", (group,))


@pytest.mark.parametrize("made", [of_admins, of_members])
def test_a_document_goes_once_another_is_in_force_though_some_look_no_more(
    made: Callable[[], Mark],
) -> None:
    mark, before = made(), read_quota_document(QUOTA)
    number = mark(before, "vision")
    mark(before, "speech")
    kept = weakref.ref(before)
    del before
    after = read_quota_document(QUOTA.replace("weight: 2", "weight: 3"))
    mark(after, "speech")
    gc.collect()
    assert kept() is None
    # What it says of who looks again is the same.
    assert mark(after, "vision") == number
