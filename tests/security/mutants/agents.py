"""Mutants of the link between agents and the service: rule 17."""

from typing import Final

from tests.security.mutant import Mutant

_CONNECTION: Final = "hub_ext/sublet_hub/agents/connection.py"
_CONNECTIONS: Final = "tests/hub/agents/test_connection.py"
_NO_AGENT: Final = f"{_CONNECTIONS}::test_who_is_no_agent_does_not_get_in"
_OLD: Final = f"{_CONNECTIONS}::test_old_epochs_and_replayed_reports_end_the_connection"
_TOKENS: Final = "hub_ext/sublet_hub/agents/kubernetes_tokens.py"
_REVIEWS: Final = "tests/hub/agents/test_kubernetes_tokens.py"
_OTHER_TOKENS: Final = f"{_REVIEWS}::test_other_tokens_are_nobodys"
_LINK: Final = "hub_ext/sublet_agent/hub_link/connection.py"
_LINKS: Final = "tests/agent/hub_link/test_link.py"
_FRESH: Final = "hub_ext/sublet_agent/hub_link/freshness.py"
_IN_CLEAR: Final = (
    "tests/agent/hub_link/test_options.py::test_it_is_sent_in_clear_only_if_that_was_chosen"
)
_RATES: Final = "hub_ext/sublet_hub/security/rate_limits.py"
_FALSE_ONES: Final = (
    f"{_CONNECTIONS}::test_who_sends_false_secrets_waits_and_an_agent_of_the_same_address_does_not"
)

MUTANTS: Final = (
    Mutant(
        17,
        "browsers may connect",
        _CONNECTION,
        'if "Origin" in self.request.headers or "Sec-Fetch-Mode" in self.request.headers:',
        "if False:",
        (_NO_AGENT,),
    ),
    Mutant(
        17,
        "a secret may stand in the address",
        _CONNECTION,
        "if self.request.query:",
        "if False:",
        (_NO_AGENT,),
    ),
    Mutant(
        17,
        "reports may be replayed",
        _CONNECTION,
        "if message.sequence <= view.sequence:",
        "if False:",
        (_OLD,),
    ),
    Mutant(
        17,
        "an old connection's epoch is as good as the new one's",
        _CONNECTION,
        "if epoch != self.view.epoch:",
        "if False:",
        (_OLD,),
    ),
    Mutant(
        17,
        "a token for another audience is an agent's",
        _TOKENS,
        ' or AUDIENCE not in list(status.get("audiences") or []):',
        ":",
        (_OTHER_TOKENS,),
    ),
    Mutant(
        17,
        "a token of any account is an agent's",
        _TOKENS,
        'if user.get("username") != self._account.user_name:',
        "if False:",
        (_OTHER_TOKENS,),
    ),
    Mutant(
        17,
        "a welcome that answers another greeting counts",
        _LINK,
        "if welcome.nonce != hello.nonce:",
        "if False:",
        (f"{_LINKS}::test_a_welcome_that_repeats_another_greetings_nonce_is_no_welcome",),
    ),
    Mutant(
        17,
        "each connection greets alike",
        _FRESH,
        "return secrets.token_hex(16)",
        'return "0" * 32',
        (f"{_LINKS}::test_each_connection_greets_with_another_nonce",),
    ),
    Mutant(
        17,
        "a service of before the last one is believed",
        _LINK,
        "if welcome.epoch < self._highest_epoch:",
        "if False:",
        (f"{_LINKS}::test_a_service_that_begins_again_with_old_epochs_is_not_believed",),
    ),
    Mutant(
        17,
        "assignments of another connection are obeyed",
        _LINK,
        "if assignments.epoch != epoch:",
        "if False:",
        (f"{_LINKS}::test_what_was_said_on_another_connection_is_not_obeyed",),
    ),
    Mutant(
        17,
        "assignments that came before are obeyed again",
        _LINK,
        "if assignments.sequence < self._acknowledged:",
        "if False:",
        (f"{_LINKS}::test_what_was_said_before_is_not_obeyed_again",),
    ),
    Mutant(
        17,
        "assignments that answer an old status are obeyed",
        _LINK,
        "if said_at is None or self._clock.monotonic() - said_at > silence_s:",
        "if said_at is None:",
        (f"{_LINKS}::test_what_answers_the_last_status_is_not_obeyed_either_once_that_is_old",),
    ),
    Mutant(
        17,
        "assignments are as new as their coming, whatever they answer",
        _LINK,
        "said_at = self._sent.sent_at(assignments.heard)",
        "said_at = self._clock.monotonic()",
        (f"{_LINKS}::test_what_answers_a_status_from_before_the_silence_is_not_obeyed",),
    ),
    Mutant(
        17,
        "assignments that answer a status that was never sent are obeyed",
        _FRESH,
        "return next((at for sent, at in reversed(self._sent) if sent == sequence), None)",
        "return self._sent[-1][1]",
        (f"{_LINKS}::test_what_answers_a_status_that_was_never_sent_is_not_obeyed",),
    ),
    Mutant(
        17,
        "what was kept back counts as said when it comes",
        _LINK,
        "self._heard_at = max(self._heard_at, said_at)",
        "self._heard_at = self._clock.monotonic()",
        (f"{_LINKS}::test_what_was_kept_back_for_a_while_counts_from_what_it_answers",),
    ),
    Mutant(
        17,
        "a node's secret is sent in clear",
        "hub_ext/sublet_agent/hub_link/options.py",
        "if not (is_kept_private(self.service_url) or self.plain_http):",
        "if False:",
        (_IN_CLEAR,),
    ),
    Mutant(
        17,
        "what begins like this machine's name is this machine",
        "hub_ext/sublet_agent/hub_link/address.py",
        'return host.lower() == "localhost"',
        'return host.lower().startswith(("localhost", "127."))',
        (_IN_CLEAR,),
    ),
    Mutant(
        17,
        "any certificate is the service's",
        _LINK,
        "            connect_timeout=_CONNECT_TIMEOUT_S,\n",
        "            connect_timeout=_CONNECT_TIMEOUT_S,\n            validate_cert=False,\n",
        (f"{_LINKS}::test_a_service_whose_certificate_is_another_authoritys_learns_nothing",),
    ),
    Mutant(
        17,
        "the agents' own port speaks http",
        "hub_ext/sublet_hub/web/server.py",
        "        ssl_options=tls,\n",
        "",
        ("tests/hub/agents/test_agents_port.py::test_an_agent_connects_by_https",),
    ),
    Mutant(
        17,
        "a connection outlives the token that it was made with",
        _CONNECTION,
        "IOLoop.current().call_at(self.expires_at.timestamp(), self._expire)",
        "pass",
        (f"{_REVIEWS}::test_a_connection_ends_with_its_token_and_comes_back_with_the_next",),
    ),
    Mutant(
        17,
        "agents have the key of the service's certificate",
        "helm/sublet/templates/agent/daemonset.yaml",
        "              - {key: ca.crt, path: ca.crt}\n",
        "              - {key: ca.crt, path: ca.crt}\n"
        "              - {key: tls.key, path: tls.key}\n",
        (
            "tests/helm/test_rights.py::test_agents_see_the_authority_of_the_service_and_not_its_key",
        ),
    ),
    Mutant(
        17,
        "the chart has agents send their token in clear wherever the admin leads them",
        "helm/sublet/templates/agent/configuration.yaml",
        "{{- else if not .Values.agent.serviceUrl -}}",
        "{{- else -}}",
        (
            (
                "tests/helm/test_rights.py::"
                "test_agents_send_their_token_in_clear_only_where_that_was_chosen"
            ),
        ),
    ),
    Mutant(
        17,
        "secrets of nodes are guessed as often as somebody likes",
        _RATES,
        "refuse_for(self._limits.wait_s(address, time.monotonic()))",
        "pass",
        (f"{_CONNECTIONS}::test_false_secrets_that_must_wait_are_looked_up_nowhere", _FALSE_ONES),
    ),
    Mutant(
        17,
        "who guesses keeps the agents of the same address out",
        _RATES,
        "if not known:",
        "if True:",
        (_FALSE_ONES,),
    ),
)
