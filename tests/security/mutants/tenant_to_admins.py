"""Mutants of what admins alone may do to the service: rules 6 and 7."""

from typing import Final

from tests.security.mutant import Mutant

_HANDLER: Final = "hub_ext/sublet_hub/web/request_handler.py"
_ADMIN: Final = "hub_ext/sublet_hub/web/routes/admin.py"
_USE: Final = "hub_ext/sublet_hub/web/routes/use.py"
_OF_USE: Final = "tests/hub/usage/test_use_routes.py"
_WAITS: Final = "hub_ext/sublet_hub/web/routes/waits.py"
_OF_WAITS: Final = "tests/hub/web/test_waits.py"
_A_PAIR: Final = (
    f"{_OF_WAITS}::test_an_idle_slice_and_the_job_that_has_its_room_are_a_pair_that_each_is_told"
)
_FOR_OWNER: Final = (
    f"{_OF_WAITS}::"
    "test_who_waits_for_what_of_ones_own_is_told_without_names_that_are_not_ones_to_see"
)
_LOANS: Final = "hub_ext/sublet_hub/web/views/waits/found.py"
_HISTORY: Final = "hub_ext/sublet_hub/web/routes/history.py"
_OF_HISTORY: Final = "tests/hub/web/test_history_export_route.py"
_PSEUDONYMS: Final = "hub_ext/sublet_hub/usage/recorded/pseudonyms.py"
_ANNOUNCED: Final = "hub_ext/sublet_hub/web/routes/announcements.py"
_ANNOUNCEMENTS: Final = "hub_ext/sublet_hub/slices/announcements.py"
_TELLING: Final = "tests/hub/slices/test_announcements.py"
_EVICT: Final = "hub_ext/sublet_hub/web/routes/evictions.py"
_EVICTIONS: Final = "hub_ext/sublet_hub/slices/evictions.py"
_REVISIONS: Final = "hub_ext/sublet_hub/web/routes/quota_revisions.py"
_QUOTA: Final = "hub_ext/sublet_hub/web/routes/quota.py"
_OF_QUOTA_TREE: Final = "tests/hub/web/test_quota_tree.py::test_nobody_but_an_admin_is_answered"
_QUOTA_IN_DATABASE: Final = "tests/hub/state/test_quota_in_database.py"
_QUOTA_ADMINS: Final = (
    f"{_QUOTA_IN_DATABASE}::test_admins_alone_apply_roll_back_and_read_the_history"
)
_ROLES: Final = (
    "tests/hub/web/test_roles.py::test_each_route_is_open_to_the_roles_of_the_table_and_to_no_other"
)
_EVICTING: Final = "tests/hub/slices/test_evictions.py"
_ACCESS: Final = "tests/hub/web/test_access.py"
_READERS: Final = f"{_ACCESS}::test_who_may_read_of_everybody_is_no_admin"

MUTANTS: Final = (
    Mutant(
        6,
        "admins' routes are everybody's",
        _HANDLER,
        "if route.access is Access.ADMIN and not may_call(self.service, route, caller):",
        "if False:",
        (f"{_ACCESS}::test_admin_routes_are_closed_to_users",),
    ),
    Mutant(
        6,
        "whoever may come closes nodes",
        _ADMIN,
        '"closings",\n        Access.ADMIN,\n        "Close',
        '"closings",\n        Access.USER,\n        "Close',
        (_READERS, "tests/hub/slices/test_closings.py::test_admins_alone_close_and_open"),
    ),
    Mutant(
        6,
        "whoever may come opens what admins have closed",
        _ADMIN,
        '"closings/open",\n        Access.ADMIN,',
        '"closings/open",\n        Access.USER,',
        (_READERS, "tests/hub/slices/test_closings.py::test_admins_alone_close_and_open"),
    ),
    Mutant(
        6,
        "whoever may come sees what everybody has used",
        _USE,
        "owner = whose_record(call) if groups is None else",
        "owner = None if groups is None else",
        (f"{_OF_USE}::test_a_user_sees_their_own_use_and_waits_and_nobody_elses",),
    ),
    Mutant(
        6,
        "whoever may come sees by which limits others would have been refused",
        _USE,
        '"use/limits",\n        Access.ADMIN,',
        '"use/limits",\n        Access.USER,',
        (f"{_OF_USE}::test_limits_are_proposed_to_admins_alone",),
    ),
    Mutant(
        6,
        "whoever may come sees who everybody waits for",
        _WAITS,
        "if not call.user.sees_all:",
        "if False:",
        (f"{_OF_WAITS}::test_each_sees_their_own_and_admins_all_or_somebodys",),
    ),
    Mutant(
        6,
        "who borrows somebody's room is told who that is, and whose it is",
        _LOANS,
        "if viewer.sees_all:",
        "if True:",
        (_A_PAIR,),
    ),
    Mutant(
        6,
        "whose slice somebody waits for is told who that is",
        _LOANS,
        "who=views.names((self.waiter,), viewer)[0],",
        "who=self.told.owner,",
        (_FOR_OWNER,),
    ),
    Mutant(
        6,
        "whoever may come reads what everybody did",
        _HISTORY,
        '"history/export",\n        Access.ADMIN,',
        '"history/export",\n        Access.USER,',
        (f"{_OF_HISTORY}::test_who_is_no_admin_exports_nothing",),
    ),
    Mutant(
        6,
        "an export that asks for no names has them",
        _PSEUDONYMS,
        "return name if self.names else",
        "return name if True else",
        (f"{_OF_HISTORY}::test_what_happened_is_exported_and_simulated_again",),
    ),
    Mutant(
        6,
        "a name in an export is a formula",
        "quota/sublet_quota/closed_loop/asks/spelling.py",
        """safe = f"'{text}" if text.startswith(_MARKED) else text""",
        "safe = text",
        ("tests/hub/usage/test_history_export.py::test_a_name_that_would_be_a_formula_is_none",),
    ),
    Mutant(
        6,
        "whoever may come puts a quota document in force",
        _REVISIONS,
        '"POST",\n        "quota/revisions",\n        Access.ADMIN,',
        '"POST",\n        "quota/revisions",\n        Access.USER,',
        (_ROLES, _QUOTA_ADMINS),
    ),
    Mutant(
        6,
        "whoever may come puts an earlier quota document in force",
        _REVISIONS,
        '"quota/rollback",\n        Access.ADMIN,',
        '"quota/rollback",\n        Access.USER,',
        (_READERS, _QUOTA_ADMINS),
    ),
    Mutant(
        6,
        "whoever may come reads who changed quotas, and why",
        _REVISIONS,
        '"GET",\n        "quota/revisions",\n        Access.ADMIN,',
        '"GET",\n        "quota/revisions",\n        Access.USER,',
        (_READERS, _QUOTA_ADMINS),
    ),
    Mutant(
        6,
        "whoever may come reads quota documents of before",
        _REVISIONS,
        '"quota/revisions/{revision}",\n        Access.ADMIN,',
        '"quota/revisions/{revision}",\n        Access.USER,',
        (_READERS, _QUOTA_ADMINS),
    ),
    Mutant(
        6,
        "whoever may come is told of a preview what everybody holds",
        _REVISIONS,
        '"quota/preview",\n        Access.ADMIN,',
        '"quota/preview",\n        Access.USER,',
        (_READERS, _QUOTA_ADMINS),
    ),
    Mutant(
        6,
        "whoever may come is told what every group holds, and who is over",
        _QUOTA,
        '"quota/tree",\n        Access.ADMIN,',
        '"quota/tree",\n        Access.USER,',
        (_READERS, _OF_QUOTA_TREE),
    ),
    Mutant(
        6,
        "whoever may come reads others' exceptions, and why",
        _QUOTA,
        '"quota/calendar",\n        Access.ADMIN,',
        '"quota/calendar",\n        Access.USER,',
        (_READERS, _OF_QUOTA_TREE),
    ),
    Mutant(
        7,
        "an admin whose token was taken away puts quota documents in force for a while",
        _REVISIONS,
        "body=ApplyRequest,\n        most_body_bytes=MOST_BODY,\n        refusals=(400, 409),\n"
        "        asks_hub_anew=True,",
        "body=ApplyRequest,\n        most_body_bytes=MOST_BODY,\n        refusals=(400, 409),",
        (_QUOTA_ADMINS,),
    ),
    Mutant(
        7,
        "an admin whose token was taken away rolls quota documents back for a while",
        _REVISIONS,
        "body=RollbackRequest,\n        refusals=(400, 404, 409),\n        asks_hub_anew=True,",
        "body=RollbackRequest,\n        refusals=(400, 404, 409),",
        (_QUOTA_ADMINS,),
    ),
    Mutant(
        6,
        "whoever may come ends others' servers and jobs",
        _EVICT,
        '"POST",\n        "evictions",\n        Access.ADMIN,',
        '"POST",\n        "evictions",\n        Access.USER,',
        (_READERS, f"{_EVICTING}::test_admins_alone_evict_and_list_evictions"),
    ),
    Mutant(
        6,
        "whoever may come sees whose servers admins end",
        _EVICT,
        '"GET",\n        "evictions",\n        Access.ADMIN,',
        '"GET",\n        "evictions",\n        Access.USER,',
        (_READERS, f"{_EVICTING}::test_admins_alone_evict_and_list_evictions"),
    ),
    Mutant(
        6,
        "everybody is told whose servers admins end, and why",
        _EVICTIONS,
        "if e.owner == owner and not",
        "if not",
        (f"{_EVICTING}::test_a_server_is_told_first_and_stopped_when_its_grace_is_over",),
    ),
    Mutant(
        6,
        "a server is stopped before its grace is over",
        _EVICTIONS,
        "and each.due_at <= now\n            and self._is_held(each)",
        "and self._is_held(each)",
        (f"{_EVICTING}::test_a_server_is_told_first_and_stopped_when_its_grace_is_over",),
    ),
    Mutant(
        7,
        "an admin whose token was taken away ends servers for a while",
        _EVICT,
        "refusals=(400, 404, 409),\n        asks_hub_anew=True,",
        "refusals=(400, 404, 409),",
        (
            (
                f"{_ACCESS}::"
                "test_no_change_of_an_admins_is_made_with_a_token_that_was_just_taken_away"
            ),
        ),
    ),
    Mutant(
        6,
        "whoever may come tells all owners something",
        _ANNOUNCED,
        '"POST",\n        "announcements",\n        Access.ADMIN,',
        '"POST",\n        "announcements",\n        Access.USER,',
        (_READERS, f"{_TELLING}::test_admins_alone_tell_list_and_take_back"),
    ),
    Mutant(
        6,
        "whoever may come takes back what admins tell",
        _ANNOUNCED,
        '"announcements/withdraw",\n        Access.ADMIN,',
        '"announcements/withdraw",\n        Access.USER,',
        (_READERS, f"{_TELLING}::test_admins_alone_tell_list_and_take_back"),
    ),
    Mutant(
        6,
        "whoever may come reads what is told to others",
        _ANNOUNCED,
        '"GET",\n        "announcements",\n        Access.ADMIN,',
        '"GET",\n        "announcements",\n        Access.USER,',
        (_READERS, f"{_TELLING}::test_admins_alone_tell_list_and_take_back"),
    ),
    Mutant(
        6,
        "everybody is told what is meant for one owner",
        _ANNOUNCEMENTS,
        "return announcement.name == owner",
        "return True",
        (f"{_TELLING}::test_each_owner_hears_what_is_meant_for_them_and_nothing_else",),
    ),
    Mutant(
        6,
        "everybody is told what is meant for one group",
        _ANNOUNCEMENTS,
        'return not self._members(announcement.name or "").isdisjoint(groups)',
        "return True",
        (f"{_TELLING}::test_each_owner_hears_what_is_meant_for_them_and_nothing_else",),
    ),
    Mutant(
        6,
        "who is in the hub's group of a name is told what a group of the quota document is told",
        _ANNOUNCEMENTS,
        "return members_below(self._document(), (group,))",
        "return members_below(self._document(), (group,)) | {group}",
        (
            (
                f"{_TELLING}::"
                "test_of_a_group_of_the_quota_document_are_its_members_and_those_of_all_below"
            ),
        ),
    ),
    Mutant(
        6,
        "everybody with a slice is told what is meant for one card",
        _ANNOUNCEMENTS,
        "any(announcement.name == card.gpu_id for card in cards)",
        "bool(cards)",
        (f"{_TELLING}::test_who_has_a_slice_on_a_card_is_told_and_nobody_beside_them",),
    ),
    Mutant(
        7,
        "an admin whose token was taken away tells owners something for a while",
        _ANNOUNCED,
        "refusals=(400, 404, 409),\n        asks_hub_anew=True,",
        "refusals=(400, 404, 409),",
        (
            (
                f"{_ACCESS}::"
                "test_no_change_of_an_admins_is_made_with_a_token_that_was_just_taken_away"
            ),
        ),
    ),
    Mutant(
        7,
        "an admin whose token was taken away closes nodes for a while",
        _ADMIN,
        "body=ClosingRequest,\n        refusals=(400, 404),\n        asks_hub_anew=True,",
        "body=ClosingRequest,\n        refusals=(400, 404),",
        (
            (
                f"{_ACCESS}::"
                "test_no_change_of_an_admins_is_made_with_a_token_that_was_just_taken_away"
            ),
        ),
    ),
)
