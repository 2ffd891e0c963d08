"""Mutants of what a page may do in a browser: rules 14 to 16."""

from typing import Final

from tests.security.mutant import Mutant

_SERVER: Final = "hub_ext/sublet_hub/web/server.py"
_HANDLER: Final = "hub_ext/sublet_hub/web/request_handler.py"
_SERVICE_AUTH: Final = "hub_ext/sublet_hub/security/service_auth.py"
_BROWSERS: Final = "tests/hub/web/test_browsers.py"
_COOKIES: Final = f"{_BROWSERS}::test_the_cookies_of_a_login_are_not_sent_from_other_sites"
_OTHER_TENANT: Final = (
    f"{_BROWSERS}::test_another_tenants_page_that_an_admin_opens_changes_neither_quota_nor_lending"
)
_FETCHED: Final = f"{_BROWSERS}::test_nothing_that_a_page_can_fetch_holds_a_token_or_can_be_framed"
_PAGE: Final = "hub_ext/sublet_hub/web/console/page.py"
_CONSOLE: Final = "tests/hub/web/test_console.py"
_CHANGES: Final = "hub_ext/sublet_hub/web/console/changes.py"
_STREAM: Final = "tests/hub/web/test_console_changes.py"
_WHO_FOLLOWS: Final = f"{_STREAM}::test_a_cookie_needs_its_xsrf_and_a_token_the_scope_to_read"
_WINDOW: Final = f"{_CONSOLE}::test_the_page_is_for_a_window_alone"
_ITS_FILES: Final = f"{_CONSOLE}::test_the_page_runs_its_own_files_alone_and_is_framed_by_nobody"
_OWN_ORIGIN: Final = (
    f"{_CONSOLE}::test_only_a_page_of_this_origin_changes_something_even_with_a_good_xsrf"
)
_FORM: Final = "spawner/sublet_spawner/options_form.py"
_FORM_TESTS: Final = "tests/spawner/test_options_form.py"

MUTANTS: Final = (
    Mutant(
        14,
        "the cookie with the token is sent from other sites",
        _SERVICE_AUTH,
        'Final[dict[str, Any]] = {"samesite": "Lax", "expires_days": 1}',
        'Final[dict[str, Any]] = {"expires_days": 1}',
        (_COOKIES,),
    ),
    Mutant(
        14,
        "over https the cookie with the token is sent in clear, too",
        _SERVICE_AUTH,
        'Final[dict[str, Any]] = {"samesite": "Lax", "expires_days": 1}',
        'Final[dict[str, Any]] = {"samesite": "Lax", "secure": False, "expires_days": 1}',
        (f"{_BROWSERS}::test_over_https_no_cookie_of_a_login_is_sent_without_it",),
    ),
    Mutant(
        14,
        "over https the XSRF cookie is sent in clear, too",
        _HANDLER,
        'more.setdefault("secure", True)',
        "pass",
        (f"{_BROWSERS}::test_over_https_no_cookie_of_a_login_is_sent_without_it",),
    ),
    Mutant(
        14,
        "the XSRF cookie is sent from other sites",
        _SERVER,
        "xsrf_cookie_kwargs=dict(XSRF_COOKIE_OPTIONS),",
        "xsrf_cookie_kwargs={},",
        (_COOKIES,),
    ),
    Mutant(
        14,
        "a login that another browser began is finished",
        _HANDLER,
        "        if not self.get_signed_cookie(self.hub_auth.get_state_cookie_name(state)):",
        "        self.get_secure_cookie = lambda *_: state.encode()\n        if False:",
        (f"{_BROWSERS}::test_a_login_that_this_browser_did_not_begin_is_not_finished",),
    ),
    Mutant(
        14,
        "a cookie alone changes things",
        _SERVER,
        "xsrf_cookies=False,\n",
        "xsrf_cookies=False,\n        disable_check_xsrf=True,\n",
        (
            "tests/hub/web/test_access.py::test_a_cookie_without_its_xsrf_changes_nothing",
            f"{_BROWSERS}::test_no_route_that_changes_something_takes_a_cookie_alone",
        ),
    ),
    Mutant(
        14,
        "answers may be framed",
        _HANDLER,
        "default-src 'none'; frame-ancestors 'none'; sandbox",
        "default-src 'none'; sandbox",
        ("tests/hub/web/test_access.py::test_answers_may_not_be_framed_cached_or_guessed_at",),
    ),
    Mutant(
        14,
        "tokens are taken from addresses",
        "hub_ext/sublet_hub/security/authentication.py",
        '        del handler\n        return ""',
        '        return handler.get_argument("token", "")',
        ("tests/hub/web/test_access.py::test_a_token_in_the_url_is_no_token",),
    ),
    Mutant(
        14,
        "a page of another origin changes things with a good XSRF",
        _HANDLER,
        " and not is_of_own_page(self.request.headers):",
        " and False:",
        (_OWN_ORIGIN,),
    ),
    Mutant(
        14,
        "a page that has no origin counts as one of this",
        "hub_ext/sublet_hub/security/fetch_metadata.py",
        'headers.get("Origin") != "null" and ',
        "",
        (_OWN_ORIGIN,),
    ),
    Mutant(
        14,
        "the console may be framed",
        _PAGE,
        "            \"frame-ancestors 'none'\",\n",
        "",
        (_ITS_FILES,),
    ),
    Mutant(
        14,
        "logins that nobody ends are kept without a bound",
        "hub_ext/sublet_hub/security/authentication.py",
        "while len(states) >= _MOST_LOGINS:",
        "while False:",
        (f"{_CONSOLE}::test_logins_that_are_begun_and_never_ended_are_forgotten",),
    ),
    Mutant(
        15,
        "another tenant's script fetches the console",
        _PAGE,
        "if not is_for_a_window(self.request.headers):",
        "if False:",
        (_WINDOW,),
    ),
    Mutant(
        15,
        "the console runs files of every tenant's",
        _PAGE,
        "script-src 'nonce-{nonce}' 'strict-dynamic'",
        "script-src 'self'",
        (_ITS_FILES,),
    ),
    Mutant(
        15,
        "what opened the console in a window keeps hold of it",
        _PAGE,
        'self.set_header("Cross-Origin-Opener-Policy", "same-origin")',
        "pass",
        (_ITS_FILES,),
    ),
    Mutant(
        15,
        "a stream of changes outlives its token",
        _CHANGES,
        " and await self.is_still(caller):",
        ":",
        (f"{_STREAM}::test_the_stream_ends_when_the_token_is_no_good_any_more",),
    ),
    Mutant(
        15,
        "a stream of changes tells everybody of all cards",
        _CHANGES,
        "if with_cards and caller.sees_all:",
        "if with_cards:",
        (f"{_STREAM}::test_a_user_is_told_that_their_share_changed_and_nothing_of_cards",),
    ),
    Mutant(
        15,
        "a stream of changes needs no scope",
        _CHANGES,
        "Call(caller, {}, {}, None).owner(scopes.READ)",
        "pass",
        (_WHO_FOLLOWS,),
    ),
    Mutant(
        15,
        "another tenant's page keeps an admin's streams open",
        _CHANGES,
        "if not by_token and not is_of_own_page(self.request.headers):",
        "if False:",
        (_WHO_FOLLOWS,),
    ),
    Mutant(
        15,
        "another tenant's page changes what an admin may",
        _SERVER,
        "xsrf_cookies=False,\n",
        "xsrf_cookies=False,\n        disable_check_xsrf=True,\n",
        (
            _OTHER_TENANT,
            f"{_BROWSERS}::test_a_page_cannot_set_its_own_xsrf_beside_the_admins_cookie",
        ),
    ),
    Mutant(
        15,
        "the cookies are sent to every page of the origin",
        _SERVICE_AUTH,
        "base_url=base_url,",
        'base_url="/",',
        (_COOKIES,),
    ),
    Mutant(
        15,
        "what opened an answer in a window can look into it",
        _HANDLER,
        "frame-ancestors 'none'; sandbox",
        "frame-ancestors 'none'",
        (_FETCHED,),
    ),
    Mutant(
        15,
        "the hub's log says nothing of a shared origin",
        "spawner/sublet_spawner/hub_configuration.py",
        "    _recommend_origins(c)\n",
        "",
        (
            (
                "tests/spawner/test_hub_configuration.py::"
                "test_the_hubs_log_recommends_an_origin_for_each_user_where_they_share_one"
            ),
        ),
    ),
    Mutant(
        15,
        "the chart's notes say nothing of a shared origin",
        "helm/sublet/templates/NOTES.txt",
        "JupyterHub:\n           subdomain_host: https://hub.example.org",
        "JupyterHub:",
        ("tests/helm/test_rendering.py::test_the_notes_recommend_an_origin_for_each_user",),
    ),
    Mutant(
        16,
        "texts of the quota document are HTML in the spawn form",
        _FORM,
        "<strong>{escape(choice.title)}</strong>",
        "<strong>{choice.title}</strong>",
        (f"{_FORM_TESTS}::test_no_text_of_a_quota_document_becomes_html",),
    ),
    Mutant(
        16,
        "reasons are HTML in the spawn form",
        _FORM,
        "{escape(choice.why_not)}",
        "{choice.why_not}",
        (f"{_FORM_TESTS}::test_no_text_of_a_quota_document_becomes_html",),
    ),
    Mutant(
        16,
        "what the service says is HTML on the spawn page",
        "spawner/sublet_spawner/refused.py",
        "error.jupyterhub_html_message = escape(message)",
        "error.jupyterhub_html_message = message",
        (
            (
                "tests/spawner/test_slice_choices.py::"
                "test_a_refusal_is_said_in_the_services_words_and_escaped_for_pages"
            ),
        ),
    ),
    Mutant(
        16,
        "a user's name is HTML in the console's page",
        _PAGE,
        "session=escape(json.dumps(session))",
        "session=json.dumps(session)",
        (f"{_CONSOLE}::test_a_name_with_html_in_it_stays_a_name",),
    ),
    Mutant(
        16,
        "texts of others are HTML in the widget",
        "labextension/sublet_lab/share/widget.py",
        "<{tag}>{html.escape(words.plain(text))}</{tag}>",
        "<{tag}>{text}</{tag}>",
        ("tests/lab/test_share_widget.py::test_no_text_of_others_becomes_html",),
    ),
    Mutant(
        16,
        "browsers guess what an answer is",
        _HANDLER,
        '    "X-Content-Type-Options": "nosniff",\n',
        "",
        ("tests/hub/web/test_access.py::test_answers_may_not_be_framed_cached_or_guessed_at",),
    ),
    Mutant(
        16,
        "a handler of the notebook server's is everybody's",
        "labextension/sublet_lab/server/handlers.py",
        "    @web.authenticated\n    @authorized\n    async def get(",
        "    async def get(",
        ("tests/lab/test_server_extension.py::test_nobody_passes_without_the_pages_token",),
    ),
)
