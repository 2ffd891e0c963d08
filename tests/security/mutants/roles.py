"""Mutants of who is an admin of a group, what they are shown, and what they may change: rule 6."""

from typing import Final

from tests.security.mutant import Mutant

_DOCUMENT: Final = "quota/sublet_quota/document"
_CHANGES: Final = f"{_DOCUMENT}/administered/changes.py"
_GROUPS: Final = f"{_DOCUMENT}/administered/groups.py"
_COVERED: Final = f"{_DOCUMENT}/administered/covered.py"
_AUTHENTICATION: Final = "hub_ext/sublet_hub/security/authentication.py"
_ROUTES: Final = "hub_ext/sublet_hub/web/routes"
_ROLES: Final = f"{_ROUTES}/roles.py"
_REVISIONS: Final = f"{_ROUTES}/quota_revisions.py"
_IN_DATABASE: Final = "hub_ext/sublet_hub/state/quota_documents/in_database.py"

_OF_CHANGES: Final = "tests/quota/document/administered/test_changes.py"
_OUTSIDE: Final = f"{_OF_CHANGES}::test_what_is_not_below_the_group_is_not_theirs_to_change"
_MEMBERS: Final = (
    f"{_OF_CHANGES}::"
    "test_nobody_is_taken_in_from_elsewhere_and_nobody_let_go_into_what_everyone_may"
)
_MORE: Final = f"{_OF_CHANGES}::test_nobody_gets_more_than_the_group_gives_or_than_they_had"
_RESERVED: Final = (
    f"{_OF_CHANGES}::"
    "test_a_reservation_adds_to_what_the_groups_above_have_so_none_is_made_or_changed"
)
_GIVEN: Final = (
    "tests/quota/document/administered/test_groups.py::"
    "test_a_group_is_given_by_the_hubs_group_that_it_is_or_by_its_own_key"
)
_OF_ROLES: Final = "tests/hub/web/test_roles.py"
_OF_QUOTAS: Final = "tests/hub/web/test_quota_of_groups.py"
_TABLE: Final = f"{_OF_ROLES}::test_each_route_is_open_to_the_roles_of_the_table_and_to_no_other"
_NAMED: Final = (
    f"{_OF_ROLES}::test_the_document_names_users_of_the_hub_and_only_tokens_that_act_for_them_count"
)
_PAID: Final = f"{_OF_ROLES}::test_what_a_group_pays_is_shown_to_its_admins_and_to_who_sees_all"
_SENT: Final = f"{_OF_ROLES}::test_an_admin_of_a_group_is_sent_what_it_pays_and_nothing_of_others"
_TREE: Final = "hub_ext/sublet_hub/web/views/quota_tree.py"
_BELOW: Final = (
    "tests/hub/web/test_quota_tree.py::"
    "test_an_admin_of_a_group_is_told_of_it_as_if_there_were_no_other"
)
_TOLD: Final = (
    "tests/hub/web/test_console_changes.py::"
    "test_an_admin_of_a_group_is_told_of_changes_of_it_and_of_none_elsewhere"
)
_OTHER_SIDE: Final = (
    "tests/hub/web/test_waits.py::test_admins_of_a_group_see_its_side_and_the_other_without_a_name"
)
_OF_PARTS: Final = "tests/hub/state/test_quota_by_group_admins.py"
_NOT_THEIRS: Final = f"{_OF_PARTS}::test_what_is_not_theirs_is_refused_and_nothing_is_changed"
_CONFIGURED: Final = (
    "tests/spawner/test_hub_configuration.py::test_a_servers_token_may_do_no_more_than_this"
)

_OF_WEEK: Final = (
    "tests/hub/web/test_week_report_route.py::"
    "test_who_may_see_all_is_told_of_all_and_admins_of_groups_of_theirs_alone"
)
_TOGETHER: Final = (
    "tests/hub/usage/test_refused_groups.py::"
    "test_of_some_groups_together_each_counts_once_and_nobody_else"
)
_PART: Final = (
    "tests/quota/week_report/test_receivers.py::test_a_part_has_its_groups_and_nothing_of_others"
)
_REFUSED: Final = (
    "tests/hub/ledger/test_week_reports.py::"
    "test_refusals_count_in_each_group_that_the_asker_is_a_member_of"
)

_OUTBOX: Final = "hub_ext/sublet_hub/delivery/outbox.py"
_WAITS: Final = (
    "tests/hub/delivery/test_outbox.py::"
    "test_a_report_that_waits_tells_of_no_group_that_is_its_receivers_no_more"
)

_ONE_OWNER: Final = (
    "tests/hub/delivery/test_outbox.py::"
    "test_one_owner_who_makes_many_notices_takes_no_room_of_others"
)

_LOST: Final = (
    "tests/hub/state/test_quota_parts_beside_others.py::"
    "test_of_groups_that_are_theirs_no_more_nobody_is_told_who_waited_for_their_turn"
)

MUTANTS: Final = (
    Mutant(
        6,
        "who waited for an answer about a group is told after they lost it",
        _ROLES,
        "service.quota.document is not before:",
        "False:",
        (_LOST,),
    ),
    Mutant(
        12,
        "one owner's notices take the room of all others'",
        "hub_ext/sublet_hub/delivery/own_doings.py",
        "counts[receiver] >= MOST_OF_OWNER or",
        "",
        (_ONE_OWNER,),
    ),
    Mutant(
        6,
        "a report that waits is sent with groups that its receiver administers no more",
        _OUTBOX,
        "        self._write_anew(current)\n",
        "",
        (_WAITS,),
    ),
    Mutant(
        6,
        "an admin of a group sets what is not below it",
        _CHANGES,
        "if one == other:",
        "if True:",
        (_OUTSIDE,),
    ),
    Mutant(
        6,
        "an admin of a group lays exceptions over persons",
        _CHANGES,
        "bool(exception.groups) and not exception.who and",
        "bool(exception.groups or exception.who) and",
        (_OUTSIDE,),
    ),
    Mutant(
        6,
        "an admin of a group takes others' people in",
        _CHANGES,
        "if has - had:",
        "if False:",
        (_MEMBERS,),
    ),
    Mutant(
        6,
        "an admin of a group lets people go to where they may have more",
        _CHANGES,
        "if had - has:",
        "if False:",
        (_MEMBERS,),
    ),
    Mutant(
        6,
        "an admin of a group reserves what is others'",
        _CHANGES,
        "new = tuple(each.name for each in has if each not in had)",
        "new = tuple(each.name for each in has if False)",
        (_RESERVED,),
    ),
    Mutant(
        6,
        "a reservation goes with its group from one to another of an admin",
        _CHANGES,
        "had, has = (own_parts(each, (group,)).reservations for each in self._both())",
        "had, has = (own_parts(each, self._groups).reservations for each in self._both())",
        (
            (
                f"{_OF_CHANGES}::"
                "test_a_reservation_does_not_go_with_its_group_from_one_to_another_of_an_admin"
            ),
        ),
    ),
    Mutant(
        6,
        "an admin of a group opens sizes, types and jobs that the group has not",
        _CHANGES,
        "pays_no_more = any(",
        "pays_no_more = bool(known) or any(",
        (_MORE,),
    ),
    Mutant(
        6,
        "an admin of a group lets each member hold more than the group does",
        _CHANGES,
        "if not (pays_no_more and any(person_is_covered(rights, each) for each in known)):",
        "if not pays_no_more:",
        (_MORE,),
    ),
    Mutant(
        6,
        "what a group has for a week its admin has for ever",
        _CHANGES,
        "and not concerned.isdisjoint(exception.groups)",
        "and False",
        (_MORE,),
    ),
    Mutant(
        6,
        "a limit of jobs apart counts as no more than one of both together",
        _COVERED,
        "return one.job_limit is None",
        "return True",
        (_MORE,),
    ),
    Mutant(
        6,
        "the scope of one group of the hub gives a group in which others are, too",
        _GROUPS,
        "return members[0] if len(members) == 1 else None",
        "return members[0] if members else None",
        (_GIVEN,),
    ),
    Mutant(
        6,
        "a service that is called as a user administers what the document gives that user",
        _AUTHENTICATION,
        'acts = self.kind == "user" and self.may(scopes.QUOTA, self.name)',
        "acts = self.may(scopes.QUOTA, self.name)",
        (_NAMED,),
    ),
    Mutant(
        6,
        "a kernel sets the quota that its owner administers",
        _AUTHENTICATION,
        'acts = self.kind == "user" and self.may(scopes.QUOTA, self.name)',
        'acts = self.kind == "user"',
        (_NAMED,),
    ),
    Mutant(
        6,
        "a notebook server's token has the right to administer groups",
        "spawner/sublet_spawner/hub_configuration.py",
        'f"{scopes.ACTIVITY}!server",\n',
        'f"{scopes.ACTIVITY}!server",\n    f"{scopes.QUOTA}!user",\n',
        (_CONFIGURED,),
    ),
    Mutant(
        6,
        "whoever reads their own reads everybody's",
        _AUTHENTICATION,
        "return self.is_admin or bool(check_scopes({scopes.READ}, set(self.scopes)))",
        "return self.is_admin or any(each.startswith(scopes.READ) for each in self.scopes)",
        (_TABLE,),
    ),
    Mutant(
        6,
        "who but reads changes what admins change",
        _ROLES,
        "if Role.READER in route.also and caller.sees_all:",
        "if caller.sees_all:",
        (_TABLE,),
    ),
    Mutant(
        6,
        "an admin of a group does what admins do",
        _ROLES,
        "return Role.GROUP_ADMIN in route.also and bool(own_groups(service, caller))",
        "return bool(own_groups(service, caller))",
        (_TABLE,),
    ),
    Mutant(
        6,
        "whoever names a group is told what it pays",
        _ROLES,
        "if not call.user.sees_all and asked not in seen:",
        "if False:",
        (_PAID,),
    ),
    Mutant(
        6,
        "an admin of a group is sent the whole document",
        _ROLES,
        "return None if call.user.sees_all else own_groups(service, call.user)",
        "return None",
        (_SENT,),
    ),
    Mutant(
        6,
        "an admin of a group is told how many people others have",
        _TREE,
        "holdings.slices() if each.group in theirs}",
        "holdings.slices()}",
        (_BELOW,),
    ),
    Mutant(
        6,
        "an admin of a group is told which groups are above it",
        _TREE,
        "node.share.path if name in theirs)",
        "node.share.path)",
        (_BELOW, _SENT),
    ),
    Mutant(
        6,
        "an admin of a group is told by its line how much is said of others",
        _TREE,
        'update={"share": share, "budget": budget, "line": None}',
        'update={"share": share, "budget": budget}',
        (_BELOW,),
    ),
    Mutant(
        6,
        "an admin of a group is told when others' quotas are changed",
        "hub_ext/sublet_hub/web/console/group_marks.py",
        "if before is not None and (before.values, before.lists) == (values, lists):",
        "if False:",
        (_TOLD,),
    ),
    Mutant(
        6,
        "an admin of a group reads who changed others' quotas, and why",
        _REVISIONS,
        "if groups is None:\n        return tuple(_info",
        "if True:\n        return tuple(_info",
        (_SENT,),
    ),
    Mutant(
        6,
        "an admin of a group is told by a check what is said of others",
        _REVISIONS,
        "        if caller.sees_all:\n            return await asyncio.to_thread(check_text",
        "        if caller:\n            return await asyncio.to_thread(check_text",
        (
            (
                f"{_OF_PARTS}::"
                "test_what_is_wrong_in_a_part_is_told_at_its_place_and_nothing_is_changed"
            ),
        ),
    ),
    Mutant(
        6,
        "an admin of a group puts a whole document in force",
        _REVISIONS,
        "    if caller.is_admin:\n        wish = Wish(",
        "    if caller:\n        wish = Wish(",
        (_NOT_THEIRS,),
    ),
    Mutant(
        6,
        "what an admin of a group sends is not compared with what is in force",
        "hub_ext/sublet_hub/state/quota_documents/parts.py",
        "_refuse(forbidden_changes(document, made.document, made.groups, now))",
        "_refuse(forbidden_changes(document, document, made.groups, now))",
        (_NOT_THEIRS,),
    ),
    Mutant(
        6,
        "an admin of a group takes a name, and sees what others used under it",
        _IN_DATABASE,
        "refuse_names_of_before(await asyncio.to_thread(self._store.charged, part.new))",
        "refuse_names_of_before(())",
        (
            (
                f"{_OF_PARTS}::"
                "test_a_name_to_which_something_was_charged_before_is_not_theirs_to_take"
            ),
        ),
    ),
    Mutant(
        6,
        "an admin of a group takes a name, and reads why others changed their quotas",
        _IN_DATABASE,
        "refuse_names_of_before(part.new & _groups_of(await self.history()))",
        "refuse_names_of_before(())",
        (
            (
                f"{_OF_PARTS}::"
                "test_a_name_by_which_revisions_of_others_are_known_is_not_theirs_to_take"
            ),
        ),
    ),
    Mutant(
        6,
        "an admin of a group renames what has spent the budget, and has it anew",
        _IN_DATABASE,
        "refuse_charged_to_go(await asyncio.to_thread(self._store.charged, part.gone))",
        "refuse_charged_to_go(())",
        (
            (
                f"{_OF_PARTS}::"
                "test_a_group_to_which_something_was_charged_does_not_go_and_with_it_what_was_spent"
            ),
        ),
    ),
    Mutant(
        12,
        "the admin of a very large group has all wait who would change quotas",
        _CHANGES,
        "len(moments) > min(MOST_ENDS, MOST_LOOKED_AT // groups)",
        "len(moments) > MOST_ENDS",
        (f"{_OF_CHANGES}::test_many_groups_have_their_rights_looked_at_after_fewer_ends",),
    ),
    Mutant(
        6,
        "a preview tells an admin of a group what follows for others",
        "quota/sublet_quota/preview/within_groups.py",
        "for each in found.beyond\n            if each.group in within.groups or ",
        "for each in found.beyond\n            if True or ",
        (f"{_OF_QUOTAS}::test_who_has_more_elsewhere_is_told_of_by_their_groups_alone",),
    ),
    Mutant(
        6,
        "the reason of what was changed elsewhere is told with a group's part",
        _REVISIONS,
        "if not part.is_alone:",
        "if False:",
        (f"{_OF_QUOTAS}::test_the_history_of_their_part_has_who_changed_it_also_from_above",),
    ),
    Mutant(
        12,
        "one group's admin fills the quota document for all",
        "hub_ext/sublet_hub/state/quota_documents/parts.py",
        "    _refuse(tuple(beyond_bounds(document, made, author)))\n",
        "",
        (f"{_OF_QUOTAS}::test_one_groups_admin_cannot_fill_the_document_for_all",),
    ),
    Mutant(
        12,
        "a reader has many large documents checked at once",
        _REVISIONS,
        "of_caller(call.user.key):\n        service.limits",
        "of_caller(str(id(call))):\n        service.limits",
        (
            (
                "tests/hub/web/test_quota_tree.py::"
                "test_of_one_caller_one_is_made_at_a_time_and_beside_the_loop"
            ),
        ),
    ),
    Mutant(
        12,
        "admins of groups push all others' revisions out of the history",
        _IN_DATABASE,
        "                self._refuse_flood(now, wish.role)\n",
        "",
        (f"{_OF_PARTS}::test_admins_of_groups_do_not_push_the_history_out",),
    ),
    Mutant(
        6,
        "an admin of a group reads what owners gave their jobs",
        f"{_ROUTES}/job_lists.py",
        '            "parameters": {},\n',
        "",
        (_SENT,),
    ),
    Mutant(
        6,
        "an admin of a group sees everybody's slices",
        f"{_ROUTES}/owner.py",
        "service.ledger.slices.values() if each.group in groups]",
        "service.ledger.slices.values()]",
        (_SENT,),
    ),
    Mutant(
        6,
        "an admin of a group sees everybody's jobs",
        f"{_ROUTES}/job_lists.py",
        "if self._groups is None or job.group in self._groups)",
        "if True)",
        (_SENT,),
    ),
    Mutant(
        6,
        "an admin of a group sees everybody's budgets",
        f"{_ROUTES}/budgets.py",
        "for each in budgets if each.group in groups_asked)",
        "for each in budgets)",
        (_SENT,),
    ),
    Mutant(
        6,
        "an admin of a group sees what everybody has used",
        "hub_ext/sublet_hub/usage/reports.py",
        "return self.groups is None or group in self.groups",
        "return True",
        (_SENT,),
    ),
    Mutant(
        6,
        "an admin of a group sees everybody who waits",
        "hub_ext/sublet_hub/web/views/waits/report.py",
        "if e.told.group in groups])",
        "])",
        (_SENT,),
    ),
    Mutant(
        6,
        "an admin of a group is told who borrows from it, and for whom it waits",
        "hub_ext/sublet_hub/web/views/slices.py",
        "return record.group in viewer.sees_groups or self.shows_name(",
        "return bool(viewer.sees_groups) or self.shows_name(",
        (_OTHER_SIDE,),
    ),
    Mutant(
        6,
        "an admin of a group is told from whom it borrows",
        "hub_ext/sublet_hub/web/views/waits/found.py",
        "elif lender.group not in {",
        "elif not viewer.sees_groups and lender.group not in {",
        (_OTHER_SIDE,),
    ),
    Mutant(
        6,
        "who has no job of theirs reads the log of any",
        f"{_ROUTES}/jobs.py",
        "    if not call.user.sees_all:\n        return _own_job(service, call)\n",
        "",
        (_TABLE,),
    ),
    Mutant(
        6,
        "whoever may come reads each group's week, and whose slices were idle",
        f"{_ROUTES}/week_report.py",
        '"use/report",\n        Access.ADMIN,',
        '"use/report",\n        Access.USER,',
        (_TABLE, _OF_WEEK),
    ),
    Mutant(
        6,
        "an admin of a group who names none reads the week of all",
        f"{_ROUTES}/week_report.py",
        "if asked is not None or call.user.sees_all:",
        "if asked is None or call.user.sees_all:",
        (_OF_WEEK,),
    ),
    Mutant(
        6,
        "an admin of a group reads what was refused to others' members",
        "hub_ext/sublet_hub/usage/refused_groups.py",
        "            if groups is None or name in groups:",
        "            if True:",
        (_REFUSED,),
    ),
    Mutant(
        6,
        "an admin of a group reads how often others' members were refused something",
        "hub_ext/sublet_hub/usage/refused_groups.py",
        "if groups is None or any(name in groups for name in _groups_of(each, document))",
        "if True",
        (_TOGETHER,),
    ),
    Mutant(
        6,
        "a report is sent with the weeks of all groups",
        "quota/sublet_quota/week_report/receivers.py",
        "if each.group in groups)",
        "if True)",
        (_PART,),
    ),
)
