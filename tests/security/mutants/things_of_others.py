"""Mutants of what a tenant is told of others, and may do with their things, route by route.

They break rules 6 (scopes), 3 and 4 (what keeps cards from others), 11 (addresses) and 16 (text).
"""

from typing import Final

from tests.security.mutant import Mutant

_OF_AHEAD: Final = "tests/hub/web/test_ahead.py"
_ROUTE: Final = "hub_ext/sublet_hub/web/routes/route.py"
_OWNER: Final = "hub_ext/sublet_hub/web/routes/owner.py"
_JOBS: Final = "hub_ext/sublet_hub/web/routes/jobs.py"
_VIEWS: Final = "hub_ext/sublet_hub/web/views/slices.py"
_TABLES: Final = "labextension/sublet_lab/command_line/tables.py"
_ACCESS: Final = "tests/hub/web/test_access.py"
_SLICES: Final = "tests/hub/slices/test_slices.py"
_KEPT: Final = "tests/hub/slices/test_kept_slices.py"
_REFUSED: Final = "tests/hub/jobs/test_refused_jobs.py"
_NOTHING_OF_MINE: Final = f"{_ACCESS}::test_another_user_or_server_reaches_nothing_of_mine"
_WHERE_ONE_CAN_BE_NAMED: Final = (
    f"{_ACCESS}::test_nothing_of_another_owner_is_told_or_changed_where_one_can_be_named"
)
_SHOWN: Final = "tests/hub/web/test_shares.py::test_whose_name_and_slices_somebody_is_shown"
_SHOWN_PLAIN: Final = (
    "tests/lab/test_command_line.py::test_what_other_people_named_moves_no_cursor_and_is_no_markup"
)
_A_FORMULA: Final = (
    "tests/lab/test_command_line_events.py::"
    "test_events_as_values_have_a_line_each_and_no_text_that_a_spreadsheet_obeys"
)
_PUBLIC: Final = "hub_ext/sublet_hub/web/public_pages.py"
_METRICS: Final = f"{_ACCESS}::test_metrics_are_for_admins_and_for_this_machine"

MUTANTS: Final = (
    Mutant(
        6,
        "whoever names another owner is told of their things",
        _ROUTE,
        "if not (caller.sees_all or caller.may(scope, owner)):",
        "if False:",
        (_WHERE_ONE_CAN_BE_NAMED,),
    ),
    Mutant(
        6,
        "whoever knows a slice's id does with it as they like",
        _OWNER,
        "if record is None or not call.user.may(\n"
        "        scope, record.owner, None if record.is_job else record.server\n"
        "    ):",
        "if record is None:",
        (_NOTHING_OF_MINE,),
    ),
    Mutant(
        6,
        "whoever knows a job's id reads its log, and cancels it",
        _JOBS,
        "if job is None or not call.user.may(scopes.JOBS, job.owner):",
        "if job is None:",
        (_NOTHING_OF_MINE,),
    ),
    Mutant(
        6,
        "a token that may but read submits jobs",
        _JOBS,
        'if caller.kind != "user" or not caller.may(scopes.JOBS, caller.name):',
        "if False:",
        (f"{_ACCESS}::test_each_scope_opens_its_own_routes_only",),
    ),
    Mutant(
        6,
        "whoever names nobody is told of everybody's jobs",
        _JOBS,
        'everybody = caller.sees_all and call.text("owner") is None',
        'everybody = call.text("owner") is None',
        (f"{_ACCESS}::test_lists_show_nothing_of_others",),
    ),
    Mutant(
        6,
        "whoever names nobody is told what everybody has spent",
        "hub_ext/sublet_hub/web/routes/budgets.py",
        "if whose_record(call) is None:",
        'if call.text("owner") is None:',
        (
            (
                "tests/hub/web/test_budgets.py::"
                "test_nobody_sees_what_another_spent_nor_another_groups_budget"
            ),
        ),
    ),
    Mutant(
        6,
        "whoever submits a job has it go before what is fair",
        _JOBS,
        "request,\n        may_go_first=caller.is_admin,",
        "request,\n        may_go_first=True,",
        (f"{_REFUSED}::test_a_wrong_job_is_refused_and_nothing_has_changed",),
    ),
    Mutant(
        6,
        "what an admin let go first does so again for its owner",
        "hub_ext/sublet_hub/jobs/submission.py",
        "priority=job.priority if may_go_first else min(job.priority, 0),",
        "priority=job.priority,",
        (f"{_REFUSED}::test_an_admin_may_put_a_job_first_and_its_owner_may_not_do_so_again",),
    ),
    Mutant(
        6,
        "names of others are told to everybody",
        _VIEWS,
        "if viewer.sees_all or owner == viewer.name:",
        "if True:",
        (_SHOWN,),
    ),
    Mutant(
        6,
        "ids of others' slices are told to everybody",
        _VIEWS,
        "if viewer.sees_all:\n            return True\n        record",
        "if True:\n            return True\n        record",
        (_SHOWN,),
    ),
    Mutant(
        6,
        "which admin cancelled a job is told to its owner",
        "hub_ext/sublet_hub/web/views/jobs.py",
        "return viewer.sees_all or job.cancel_asked_by in {viewer.name, job.owner}",
        "return True",
        (
            (
                "tests/hub/web/test_job_views.py::"
                "test_a_job_that_an_admin_cancels_says_so_and_names_the_admin_to_admins_alone"
            ),
        ),
    ),
    Mutant(
        6,
        "which admin switched lending is told to everybody",
        "hub_ext/sublet_hub/web/routes/admin.py",
        "switched_by=record.switched_by if call.user.sees_all else None,",
        "switched_by=record.switched_by,",
        (f"{_SLICES}::test_lending_is_switched_by_admins_and_told_to_agents",),
    ),
    Mutant(
        6,
        "whose servers are idle is told to everybody",
        "hub_ext/sublet_hub/slices/idle_servers.py",
        "if note.owner != owner:",
        "if False:",
        ("tests/hub/slices/idle/test_put_off.py::test_another_owner_is_told_nothing_of_it",),
    ),
    Mutant(
        3,
        "slices are kept from being lent beyond the day's budget",
        "quota/sublet_quota/admission/keep_budget.py",
        "if not asked or kept_today + asked <= most:",
        "if True:",
        ((f"{_KEPT}::test_keeping_has_a_budget_a_day_of_which_unused_time_is_given_back"),),
    ),
    Mutant(
        3,
        "who keeps slices more often than is read has a budget anew",
        "hub_ext/sublet_hub/slices/keep_and_wake.py",
        "if len(found) == _MOST_EVENTS:",
        "if False:",
        (f"{_KEPT}::test_who_kept_more_often_than_anybody_counts_has_no_budget_left",),
    ),
    Mutant(
        4,
        "who cannot make way on a card of others borrows on",
        "quota/sublet_quota/placement/slice_placement.py",
        "if not borrows_no_more(question.holdings, owner):\n        return options",
        "if options:\n        return options",
        (
            (
                "tests/quota/placement/test_borrowing.py::"
                "test_who_borrowed_and_cannot_make_way_any_more_borrows_no_more_until_they_can"
            ),
        ),
    ),
    Mutant(
        11,
        "an id that the command line is given leads to any address",
        "labextension/sublet_lab/command_line/service.py",
        'if not given.replace("-", "").replace("_", "").isalnum() or not given.isascii():',
        "if not given:",
        ("tests/lab/test_command_line.py::test_an_id_cannot_lead_elsewhere",),
    ),
    Mutant(
        16,
        "names of others steer the terminal of whoever lists them",
        _TABLES,
        "    return Text(plain(cell))",
        "    return Text(cell)",
        (_SHOWN_PLAIN,),
    ),
    Mutant(
        16,
        "names of others are formulas in the spreadsheet of whoever opens a list",
        _TABLES,
        'return f"\'{plain(cell)}" if cell.startswith(FORMULAS) else plain(cell)',
        "return plain(cell)",
        (_A_FORMULA,),
    ),
    Mutant(
        6,
        "metrics are told to everybody without a token",
        _PUBLIC,
        "if not token and _came_directly_from_here(self.request):",
        "if not token:",
        (_METRICS,),
    ),
    Mutant(
        6,
        "metrics are told to every user",
        _PUBLIC,
        "if caller is None or not caller.sees_all:",
        "if caller is None:",
        (_METRICS,),
    ),
    Mutant(
        6,
        "everybody is told of servers of others that are ended for their memory",
        "hub_ext/sublet_hub/slices/over_caps.py",
        "if each[1].owner == owner and each[1].ended_at is None",
        "if each[1].ended_at is None",
        (f"{_OF_AHEAD}::test_a_server_over_its_cap_is_told_when_it_is_ended",),
    ),
    Mutant(
        6,
        "who is on a card that is closed learns which admin has closed it",
        "hub_ext/sublet_hub/web/routes/ahead.py",
        "why=closing.words(record.gpu)",
        "why=closing.closed_by",
        (
            (
                f"{_OF_AHEAD}::"
                "test_who_is_on_a_card_that_is_drained_is_told_what_leaves_and_what_stays"
            ),
        ),
    ),
    Mutant(
        11,
        "a webhook's redirect is followed",
        "hub_ext/sublet_hub/delivery/webhook.py",
        "follow_redirects=False",
        "follow_redirects=True",
        ("tests/hub/delivery/test_webhook.py::test_no_redirect_is_followed",),
    ),
    Mutant(
        11,
        "a webhook's name may lead to a private address",
        "hub_ext/sublet_hub/delivery/webhook.py",
        "if not self._private and not all(",
        "if self._private and not all(",
        (
            "tests/hub/delivery/test_webhook.py::test_a_name_that_leads_to_a_private_address_is_not_connected_to",
        ),
    ),
    Mutant(
        11,
        "one public address of a name is enough",
        "hub_ext/sublet_hub/delivery/webhook.py",
        "not all(_is_public(",
        "not any(_is_public(",
        (
            "tests/hub/delivery/test_webhook.py::test_one_public_address_beside_a_private_one_is_not_enough",
        ),
    ),
    Mutant(
        11,
        "a webhook goes without TLS to anywhere",
        "hub_ext/sublet_hub/delivery/webhook.py",
        'parts.scheme == "http" and parts.hostname in LOCAL',
        'parts.scheme == "http"',
        ("tests/hub/delivery/test_webhook.py::test_an_address_is_https_or_on_this_machine",),
    ),
    Mutant(
        11,
        "a private address that is written into a public one is connected to",
        "hub_ext/sublet_hub/delivery/webhook.py",
        "if found in _TRANSLATED:",
        "if not _TRANSLATED:",
        (
            "tests/hub/delivery/test_webhook.py::test_a_name_that_leads_to_a_private_address_is_not_connected_to",
        ),
    ),
    Mutant(
        16,
        "a user's name ends a mail's header",
        "hub_ext/sublet_hub/delivery/mail.py",
        "_ADDRESS.fullmatch(template.replace(NAME, username))",
        "_ADDRESS.match(template.replace(NAME, username))",
        (
            "tests/hub/delivery/test_mail.py::test_a_name_that_is_no_mailbox_makes_no_address",
            "tests/hub/delivery/test_mail.py::test_a_name_may_be_the_address",
        ),
    ),
    Mutant(
        13,
        "a mail server that is not trusted is sent mails",
        "hub_ext/sublet_hub/delivery/mail.py",
        "server.starttls(context=trusted)",
        "server.starttls()",
        ("tests/hub/delivery/test_mail.py::test_no_mail_goes_to_a_server_that_is_not_trusted",),
    ),
    Mutant(
        6,
        "everybody is mailed what one owner is told",
        "hub_ext/sublet_hub/app/notices_out.py",
        "told_to(service, owner, groups,",
        "told_to(service, self._owners()[0], groups,",
        (
            "tests/hub/app/test_notices_out.py::test_each_is_sent_what_they_are_told_and_nothing_of_others",
        ),
    ),
)
