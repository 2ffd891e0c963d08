"""Refusals by group: of those who are its direct members, each once."""

from datetime import UTC, datetime, timedelta

from sublet_hub.ledger.refusals import AskerSum, CodeSum
from sublet_hub.usage.refused_groups import by_group, of_groups
from sublet_quota.document.reading import read_quota_document

NOW = datetime(2026, 12, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
DOCUMENT = read_quota_document(
    "groups: {lab: {members: [hub-lab]}, art: {members: [hub-art]}, chess: {members: [hub-chess]}}"
)
ASKED = (
    AskerSum("ada", ("hub-lab",), "no-room", 2, LATER),
    AskerSum("bob", ("hub-lab", "hub-art"), "no-room", 3, NOW),
    AskerSum("bob", ("hub-art",), "no-gpu", 1, NOW),
    AskerSum("eve", (), "no-gpu", 4, LATER),
)


def test_of_some_groups_together_each_counts_once_and_nobody_else() -> None:
    of_both = CodeSum("no-room", 5, 2, LATER), CodeSum("no-gpu", 1, 1, NOW)
    assert of_groups(ASKED, DOCUMENT, {"lab", "art"}) == of_both
    assert of_groups(ASKED, DOCUMENT, {"lab"}) == of_both[:1]
    assert of_groups(ASKED, DOCUMENT, {"chess"}) == ()


def test_of_all_those_count_too_who_are_in_no_group() -> None:
    told = {each.code: (each.times, each.owners) for each in of_groups(ASKED, DOCUMENT, None)}
    assert told == {"no-room": (5, 2), "no-gpu": (5, 2)}


def test_by_group_each_has_its_own_and_what_is_of_none_comes_last() -> None:
    found = [
        (each.group, each.sum.code, each.sum.times) for each in by_group(ASKED, DOCUMENT, None)
    ]
    assert found == [
        ("art", "no-room", 3),
        ("art", "no-gpu", 1),
        ("lab", "no-room", 5),
        ("", "no-gpu", 4),
    ]
    assert {each.group for each in by_group(ASKED, DOCUMENT, {"art"})} == {"art"}
