"""Mutants of what a tenant may do to the service: rules 6 to 13.

What admins alone may do is in `tenant_to_admins.py`, files (rule 9) are in `files.py`, texts of
quota documents (10) in `quota_texts.py`, floods (12) in `floods_of_*.py`, secrets (13) in
`kept_secrets.py`.
"""

from typing import Final

from tests.security.mutant import Mutant

_AUTHENTICATION: Final = "hub_ext/sublet_hub/security/authentication.py"
_HANDLER: Final = "hub_ext/sublet_hub/web/request_handler.py"
_SCOPES: Final = "spawner/sublet_spawner/hub_configuration.py"
_OWNER: Final = "hub_ext/sublet_hub/web/routes/owner.py"
_REFUSALS: Final = "hub_ext/sublet_hub/web/routes/refusals.py"
_IDLE: Final = "tests/hub/slices/idle"
_JOBS: Final = "hub_ext/sublet_hub/web/routes/jobs.py"
_SUBMISSION: Final = "hub_ext/sublet_hub/jobs/submission.py"
_IDLE_LIFE: Final = "quota/sublet_quota/life_cycles/idle_servers.py"
_PROMOTED_JOBS: Final = "hub_ext/sublet_hub/slices/promoted_jobs.py"
_SPARED: Final = f"{_IDLE}/test_spared_for_jobs.py"
_PROMOTED: Final = (
    f"{_SPARED}::test_the_server_is_whose_token_it_is_else_one_of_the_owners_as_is_said"
)
_ACCESS: Final = "tests/hub/web/test_access.py"
_SCOPE_TESTS: Final = "tests/spawner/test_hub_configuration.py"
_KEPT: Final = "tests/hub/security/test_kept_answers.py"
_ANEW: Final = (
    f"{_ACCESS}::test_an_answer_of_the_hub_is_kept_for_seconds_but_not_for_admins_changes"
)
_REFUSED_JOBS: Final = (
    "tests/hub/jobs/test_refused_jobs.py::test_a_wrong_job_is_refused_and_nothing_has_changed"
)

MUTANTS: Final = (
    Mutant(
        6,
        "a token is good for everybody's things",
        _AUTHENTICATION,
        "return bool(check_scopes(required, set(self.scopes)))",
        "return True",
        (f"{_ACCESS}::test_another_user_or_server_reaches_nothing_of_mine",),
    ),
    Mutant(
        6,
        "a server's token is good for all servers of its owner",
        _AUTHENTICATION,
        'required.add(f"{scope}!server={owner}/{server}")',
        "required.update(s for s in self.scopes if f'{scope}!server={owner}/' in s)",
        (f"{_ACCESS}::test_another_server_of_mine_cannot_keep_or_wake_this_ones_slice",),
    ),
    Mutant(
        6,
        "whoever knows a slice's id puts off that its server is ended",
        _OWNER,
        "record = own_slice(service, call, scopes.ACTIVITY)\n    service.idle_servers.extend(",
        (
            'record = service.ledger.slices[SliceId(call.path["slice_id"])]\n'
            "    service.idle_servers.extend("
        ),
        (f"{_IDLE}/test_put_off.py::test_another_cannot_put_it_off_nor_learn_that_there_is_one",),
    ),
    Mutant(
        6,
        "a server's token promotes jobs from any server, as it says",
        _JOBS,
        "if caller.server is not None:",
        "if False:",
        (_PROMOTED,),
    ),
    Mutant(
        6,
        "a job is promoted from whichever server its owner makes up",
        _SUBMISSION,
        "self._stores.ledger.slice_of_server(owner, server) is None",
        "False",
        (_PROMOTED,),
    ),
    Mutant(
        6,
        "an idle server is ended while a job promoted from it goes on",
        _IDLE_LIFE,
        "if self.has_job:",
        "if False:",
        (
            f"{_SPARED}::test_a_server_is_not_ended_while_a_job_goes_on_that_was_handed_over_from_it",
        ),
    ),
    Mutant(
        6,
        "a job that never begins keeps an idle server for ever",
        _PROMOTED_JOBS,
        "elif job.attempts > 0:",
        "else:",
        (f"{_SPARED}::test_a_job_that_waits_for_its_first_turn_keeps_no_server",),
    ),
    Mutant(
        6,
        "a job that waits in line again keeps an idle server for ever",
        _PROMOTED_JOBS,
        "return self._waits_since.get(job.job_id, since) <= since",
        "return False",
        (
            f"{_SPARED}::test_a_job_that_waits_to_go_on_keeps_a_server_for_as_long_as_that_may_be_idle",
        ),
    ),
    Mutant(
        6,
        "whose own slice holds their job back keeps an idle server for ever",
        _PROMOTED_JOBS,
        "return bool(held_back) and min(held_back) <= since",
        "return False",
        (
            f"{_SPARED}::test_a_job_that_is_held_back_keeps_a_server_for_as_long_as_that_may_be_idle",
        ),
    ),
    Mutant(
        6,
        "whoever may come sees what was refused to anybody",
        _OWNER,
        "if asked in (None, caller.name) and caller.may(scopes.READ, caller.name):\n"
        "        return UserName(caller.name)",
        "if caller.may(scopes.READ, caller.name):\n        return UserName(asked or caller.name)",
        (f"{_ACCESS}::test_lists_of_another_user_are_for_admins",),
    ),
    Mutant(
        6,
        "whoever names nobody sees what was refused to everybody",
        _REFUSALS,
        "query, limit = _query(call, whose_record(call)), call",
        'query, limit = _query(call, call.text("owner") and whose_record(call)), call',
        (f"{_ACCESS}::test_lists_show_nothing_of_others",),
    ),
    Mutant(
        6,
        "a token needs no access to this service",
        _HANDLER,
        "if not caller.may_enter:",
        "if False:",
        (f"{_ACCESS}::test_a_token_without_access_to_this_service_is_refused",),
    ),
    Mutant(
        6,
        "the hub's routes take any token",
        _HANDLER,
        "if not self.hub_auth.is_service_token(token):",
        "if not token:",
        (f"{_ACCESS}::test_hub_routes_take_the_services_own_token_alone",),
    ),
    Mutant(
        6,
        "the service may make tokens",
        _SCOPES,
        'SERVICE_SCOPES: Final = (\n    "list:users",',
        'SERVICE_SCOPES: Final = (\n    "tokens",\n    "list:users",',
        (
            f"{_SCOPE_TESTS}::test_the_service_may_read_groups_read_start_and_stop_servers_and_nothing_else",
        ),
    ),
    Mutant(
        6,
        "a server's token reports activity for all servers of its owner",
        _SCOPES,
        'f"{scopes.ACTIVITY}!server",',
        'f"{scopes.ACTIVITY}!user",',
        (f"{_SCOPE_TESTS}::test_a_servers_token_may_do_no_more_than_this",),
    ),
    Mutant(
        7,
        "the hub's answers are believed for days",
        _AUTHENTICATION,
        "KEPT_S = 30.0\n_REFUSED",
        "KEPT_S = 300_000.0\n_REFUSED",
        (f"{_KEPT}::test_an_answer_is_believed_for_30_seconds_and_a_refusal_for_5",),
    ),
    Mutant(
        7,
        "whoever asks often is believed longer",
        _AUTHENTICATION,
        "            return None\n        return (model,)",
        "            return None\n        self._answers[digest] = (monotonic_s, model)\n"
        "        return (model,)",
        (f"{_KEPT}::test_to_be_asked_of_often_keeps_no_answer_longer",),
    ),
    Mutant(
        7,
        "an admin's change goes by what was kept",
        _HANDLER,
        "if route.asks_hub_anew:",
        "if False:",
        (_ANEW,),
    ),
    Mutant(
        7,
        "what was kept is forgotten for nobody",
        _AUTHENTICATION,
        "self._answers.pop(digest, None)",
        "return",
        (f"{_KEPT}::test_what_was_forgotten_is_asked_anew", _ANEW),
    ),
    Mutant(
        8,
        "a job may be given the hub's own variables",
        "hub_ext/sublet_hub/jobs/environment.py",
        "if is_reserved(name):",
        "if False:",
        (_REFUSED_JOBS,),
    ),
    Mutant(
        8,
        "a job has its owner's token in its environment",
        "hub_ext/sublet_hub/host/owner_environment.py",
        "if not is_reserved(k)}",
        "if k}",
        ("tests/hub/jobs/test_jobs.py::test_a_jobs_environment_holds_its_slice_and_no_token",),
    ),
    Mutant(
        8,
        "names of parameters are pasted into code as they are",
        "hub_ext/sublet_hub/jobs/notebook.py",
        "if not name.isidentifier() or iskeyword(name):",
        "if False:",
        (_REFUSED_JOBS,),
    ),
    Mutant(
        8,
        "a notebook may lie anywhere",
        "hub_ext/sublet_hub/jobs/notebook.py",
        'if path.is_absolute() or ".." in path.parts or "\\0" in asked or not path.name:',
        "if not path.name:",
        (_REFUSED_JOBS,),
    ),
    Mutant(
        8,
        "jobs may run as root",
        "hub_ext/sublet_hub/host/accounts.py",
        "if account.uid == 0 or account.gid == 0:",
        "if False:",
        ("tests/hub/host/test_accounts.py::test_nobody_runs_as_root_for_somebody_else",),
    ),
    Mutant(
        8,
        "jobs run, and files are read for them, as the service",
        "hub_ext/sublet_hub/host/accounts.py",
        '"user": account.uid,',
        '"user": own,',
        (
            (
                "tests/hub/host/test_capabilities.py::"
                "test_a_job_is_its_owners_and_has_no_right_of_roots"
            ),
        ),
    ),
    Mutant(
        8,
        "jobs may run as an account of the system's",
        "hub_ext/sublet_hub/host/accounts.py",
        "if account.uid < least_uid:",
        "if False:",
        ("tests/hub/host/test_accounts.py::test_jobs_of_the_systems_accounts_are_not_run",),
    ),
    Mutant(
        8,
        "jobs inherit the service's rights of root",
        "hub_ext/sublet_hub/host/capabilities.py",
        "half.inheritable = 0",
        "half.inheritable = half.inheritable",
        (
            (
                "tests/hub/host/test_capabilities.py::"
                "test_a_job_is_its_owners_and_has_no_right_of_roots"
            ),
        ),
    ),
    Mutant(
        7,
        "who left their last group counts as in those of before",
        "hub_ext/sublet_hub/web/routes/viewers.py",
        "if caller.groups is not None:",
        "if caller.groups:",
        (
            (
                "tests/hub/jobs/test_payers_of_jobs.py::"
                "test_who_left_their_last_group_has_no_group_pay_any_more"
            ),
        ),
    ),
    Mutant(
        7,
        "a slice grows by the groups that the owner was in when it was handed out",
        "hub_ext/sublet_hub/web/routes/owner.py",
        "service.resizing.resize(record, new, groups or ())",
        "service.resizing.resize(record, new, record.member_of)",
        (
            (
                "tests/hub/slices/test_borrowing.py::"
                "test_who_left_the_group_cannot_grow_within_its_guarantee"
            ),
        ),
    ),
    Mutant(
        8,
        "jobs inherit the right to trace, once a reader was started",
        "hub_ext/sublet_procfs/right_to_trace.py",
        "        _check(libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), before))",
        "        pass",
        (
            (
                "tests/procfs/test_rights_of_readers.py::"
                "test_what_is_started_after_a_reader_has_no_right_of_roots"
            ),
        ),
    ),
    Mutant(
        8,
        "true passes for a number, and a text for one",
        "quota/sublet_quota/wire/schema.py",
        'read = model.model_validate_json(body or b"{}", strict=True)',
        'read = model.model_validate_json(body or b"{}")',
        ("tests/hub/web/test_hostile_requests.py::test_nothing_passes_for_what_it_is_not",),
    ),
    Mutant(
        8,
        "a name of a variable may end in a line break",
        "hub_ext/sublet_hub/jobs/environment.py",
        'r"[A-Za-z_][A-Za-z0-9_]{0,127}")',
        'r"[A-Za-z_][A-Za-z0-9_]{0,127}\\n?")',
        ("tests/hub/web/test_hostile_requests.py::test_nothing_passes_for_what_it_is_not",),
    ),
    Mutant(
        8,
        "looks for jobs' processes take the service's own threads",
        "hub_ext/sublet_hub/jobs/backends/local/processes.py",
        "run_in_executor(_LOOKS, tree.find)",
        "run_in_executor(None, tree.find)",
        (
            (
                "tests/hub/jobs/local/test_processes.py::"
                "test_six_jobs_that_keep_their_memory_from_being_read_keep_no_others_from_ending"
            ),
        ),
    ),
    Mutant(
        11,
        "an id may be a path",
        "labextension/sublet_lab/server/handlers.py",
        '_ID: Final = r"([A-Za-z0-9][A-Za-z0-9_-]{0,127})"',
        '_ID: Final = r"(.+)"',
        ("tests/lab/test_server_extension.py::test_whatever_is_not_in_the_table_goes_nowhere",),
    ),
    Mutant(
        11,
        "a notebook's server follows where the service leads",
        "labextension/sublet_lab/server/service_client.py",
        "follow_redirects=False",
        "follow_redirects=True",
        ("tests/lab/test_server_extension.py::test_a_redirect_is_not_followed",),
    ),
    Mutant(
        11,
        "the service follows where the hub leads",
        "hub_ext/sublet_hub/slices/jupyterhub_client.py",
        "follow_redirects=False",
        "follow_redirects=True",
        ("tests/hub/slices/test_jupyterhub_client.py::test_a_redirect_is_not_followed",),
    ),
)
