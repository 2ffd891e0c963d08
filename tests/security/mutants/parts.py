"""What admins of groups are told of changes elsewhere, and to whom they may tell something."""

from typing import Final

from tests.security.mutant import Mutant

_PARTS: Final = "hub_ext/sublet_hub/state/quota_documents/parts.py"
_REVISIONS: Final = "hub_ext/sublet_hub/web/routes/quota_revisions.py"
_QUOTA: Final = "hub_ext/sublet_hub/web/routes/quota.py"
_NOTICES: Final = "hub_ext/sublet_hub/slices/announcements.py"
_ELSEWHERE: Final = (
    "tests/hub/web/test_changes_elsewhere.py::"
    "test_all_that_a_groups_admin_is_sent_is_the_same_after_changes_elsewhere"
)
_COUNTS: Final = (
    "tests/hub/web/test_changes_elsewhere.py::test_what_came_of_a_part_counts_no_changes_elsewhere"
)
_ANOTHER: Final = (
    "tests/hub/state/test_quota_by_group_admins.py::"
    "test_where_the_part_itself_is_another_it_is_refused_without_who_and_why"
)
_OF_GROUPS: Final = "tests/hub/slices/test_notices_of_groups.py"
_REFUSED: Final = (
    f"{_OF_GROUPS}::test_whoever_else_is_meant_is_refused_in_the_same_words_there_or_not"
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    Mutant(
        6,
        "an admin of a group is told which revision is in force",
        _QUOTA,
        "revision=_revision(service) if call.user.sees_all else None,",
        "revision=_revision(service),",
        (_ELSEWHERE,),
    ),
    Mutant(
        6,
        "an admin of a group is told when the document was changed last",
        _QUOTA,
        "loaded_at=quota.loaded_at if call.user.sees_all else None,",
        "loaded_at=quota.loaded_at,",
        (_ELSEWHERE,),
    ),
    Mutant(
        6,
        "an admin of a group is told by its number how much was changed before",
        _REVISIONS,
        '    if not call.user.sees_all:\n        told["revision"] = None\n',
        "",
        (
            (
                "tests/hub/web/test_quota_of_groups.py::"
                "test_the_history_of_their_part_has_who_changed_it_also_from_above"
            ),
        ),
    ),
    Mutant(
        6,
        "an admin of a group is told what others made where nothing was changed",
        _REVISIONS,
        ".model_copy(update=told) if done.is_new else None",
        ".model_copy(update=told)",
        (_COUNTS,),
    ),
    Mutant(
        6,
        "an admin of a group undoes unseen what another has changed of the part",
        _PARTS,
        "    raise ConflictError(message)\n",
        "    return\n",
        (_ANOTHER,),
    ),
    Mutant(
        6,
        "an admin of a group tells something to who is in another group, too",
        _NOTICES,
        "if not meant or not with_all_below(document, groups).issuperset(meant):",
        "if not meant or with_all_below(document, groups).isdisjoint(meant):",
        (_REFUSED,),
    ),
    Mutant(
        6,
        "an admin of a group tells something to who is theirs no more",
        _NOTICES,
        "if announcement.within and not self._is_within(announcement, groups):",
        "if False:",
        (
            (
                f"{_OF_GROUPS}::"
                "test_nobody_hears_it_any_more_who_is_not_theirs_by_the_document_of_then"
            ),
        ),
    ),
    Mutant(
        6,
        "an admin of a group takes back what others tell",
        "hub_ext/sublet_hub/web/routes/announcements.py",
        "        if not any(each.announcement_id == asked.announcement_id for each in theirs):",
        "        if not theirs:",
        (f"{_OF_GROUPS}::test_they_see_and_take_back_what_is_told_within_theirs_and_nothing_else",),
    ),
    Mutant(
        12,
        "one admin of a group tells so much that others have no room",
        _NOTICES,
        "if sum(each.made_by == sender for each in of_groups) >= MOST_OF_SENDER:",
        "if False:",
        (f"{_OF_GROUPS}::test_one_sender_has_a_bound_and_takes_no_room_of_others",),
    ),
)
