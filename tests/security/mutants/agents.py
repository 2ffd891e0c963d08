"""Mutants of what agents are let say, and of whom they believe: rules 17 and 18."""

from typing import Final

from tests.security.mutant import Mutant

_CONNECTION: Final = "hub_ext/sublet_hub/agents/connection.py"
_CONNECTIONS: Final = "tests/hub/agents/test_connection.py"
_NO_AGENT: Final = f"{_CONNECTIONS}::test_who_is_no_agent_does_not_get_in"
_OLD: Final = f"{_CONNECTIONS}::test_old_epochs_and_replayed_reports_end_the_connection"
_TOKENS: Final = "hub_ext/sublet_hub/agents/kubernetes_tokens.py"
_REVIEWS: Final = "tests/hub/agents/test_kubernetes_tokens.py"
_OTHER_TOKENS: Final = f"{_REVIEWS}::test_other_tokens_are_nobodys"
_FLEET: Final = "hub_ext/sublet_hub/state/fleet.py"
_COMPROMISED: Final = "tests/hub/agents/test_compromised_agent.py"
_LINK: Final = "hub_ext/sublet_agent/hub_link/connection.py"
_LINKS: Final = "tests/agent/hub_link/test_link.py"
_FRESH: Final = "hub_ext/sublet_agent/hub_link/freshness.py"
_IN_CLEAR: Final = (
    "tests/agent/hub_link/test_options.py::test_it_is_sent_in_clear_only_if_that_was_chosen"
)
_BEYOND: Final = "tests/hub/agents/test_beyond_bounds.py"

_TOLD: Final = "tests/hub/agents/test_assignments.py"

_REGISTRY: Final = "hub_ext/sublet_hub/agents/connection_registry.py"
_CLOSINGS: Final = "hub_ext/sublet_hub/slices/closings.py"

MUTANTS: Final = (
    Mutant(
        18,
        "an agent tells of moves that last longer than time goes",
        "hub_ext/sublet_hub/slices/reserved_rooms.py",
        "min(LOOK_AHEAD.total_seconds(), leaving_mib / rate)",
        "leaving_mib / rate",
        (
            (
                "tests/hub/slices/test_reservations.py::test_what_an_agent_says_of_a_hundred_slices"
                "_is_no_longer_than_anything_is_looked_at"
            ),
        ),
    ),
    Mutant(
        18,
        "a card has as much memory as its agent likes",
        "quota/sublet_quota/wire/agent_link.py",
        "    memory_mib: CardMib\n",
        "    memory_mib: Mib\n",
        (f"{_BEYOND}::test_no_card_is_of_so_much_memory_that_sums_are_beyond_what_is_told",),
    ),
    Mutant(
        18,
        "every model that an agent ever told is kept",
        "quota/sublet_quota/holdings/standing/standings.py",
        "        for name in unused:\n",
        "        for name in ():\n",
        (
            (
                "tests/quota/holdings/test_made_up_cards.py::"
                "test_of_made_up_models_none_is_known_for_longer_than_something_of_it_is_there"
            ),
        ),
    ),
    Mutant(
        18,
        "what is quiet since a time to come is believed",
        "hub_ext/sublet_hub/slices/idle_servers.py",
        "min(max(report.quiet_since, record.created_at), self._now())",
        "max(report.quiet_since, record.created_at)",
        (
            (
                "tests/hub/slices/idle/test_ends.py::"
                "test_an_agent_that_tells_of_a_time_to_come_breaks_nobodys_view"
            ),
        ),
    ),
    Mutant(
        18,
        "an agent's made-up cards have others make way",
        "quota/sublet_quota/holdings/standing/type_standing.py",
        "return cards if self._expect is None else min(cards, self._expect)",
        "return cards",
        (
            f"{_COMPROMISED}::test_with_cards_that_it_makes_up_nobody_loses_their_place",
            (
                "tests/quota/holdings/test_made_up_cards.py::"
                "test_guarantees_in_force_are_never_more_than_the_cards_that_are_expected"
            ),
        ),
    ),
    Mutant(
        18,
        "an agent has slices on cards that nobody asked them to come to",
        "hub_ext/sublet_hub/slices/card_changes.py",
        "        is_known = arrived or gpu_id == record.came_from or gpu_id in record.perhaps_on\n",
        "        is_known = True\n",
        (
            (
                "tests/hub/slices/moving/test_card_changes.py::"
                "test_the_hub_follows_a_slice_that_its_agent_took_back"
            ),
        ),
    ),
    Mutant(
        18,
        "an agent fills the ledger with cards",
        _REGISTRY,
        "if too_many <= 0:",
        "if True:",
        (
            (
                f"{_COMPROMISED}::test_of_ever_new_cards_the_ledger_keeps_the_last_ones_and_those_"
                "that_hold_a_slice"
            ),
        ),
    ),
    Mutant(
        18,
        "an agent's card has another node's name, and is closed for it",
        _CLOSINGS,
        "if where in known:",
        "if where in known and GpuId(where) not in ledger.gpus:",
        (
            (
                "tests/hub/slices/test_closings.py::"
                "test_an_agent_names_no_card_so_that_another_node_stays_open"
            ),
        ),
    ),
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
        18,
        "an agent may name itself another node",
        _CONNECTION,
        "if hello.node != self.node:",
        "if False:",
        (f"{_CONNECTIONS}::test_a_secret_is_good_for_its_own_node_alone",),
    ),
    Mutant(
        18,
        "other nodes' slices are believed",
        _FLEET,
        "return record is not None and record.gpu.node == view.node",
        "return record is not None",
        (f"{_COMPROMISED}::test_what_it_reports_of_another_nodes_slice_is_not_believed",),
    ),
    Mutant(
        18,
        "other nodes' cards are believed",
        _FLEET,
        "if known is None or known.node == view.node:",
        "if True:",
        (f"{_COMPROMISED}::test_what_it_reports_of_another_nodes_card_is_not_believed",),
    ),
    Mutant(
        18,
        "the cards of a silent node are whose agent names them first",
        _FLEET,
        "return self.is_silent(known.node) and not self._ledger.slices_on_gpu(known.gpu_id)",
        "return self.is_silent(known.node)",
        (
            (
                f"{_COMPROMISED}::"
                "test_it_does_not_get_the_card_of_a_node_that_is_silent_while_that_holds_a_slice"
            ),
        ),
    ),
    Mutant(
        18,
        "events about other nodes' slices are stored",
        "hub_ext/sublet_hub/agents/connection_registry.py",
        "return own_gpu and (record is None or record.gpu.node == view.node)",
        "return own_gpu",
        (f"{_COMPROMISED}::test_no_event_of_its_is_stored_about_another_nodes_slice_or_card",),
    ),
    Mutant(
        18,
        "events about other nodes' cards are stored",
        "hub_ext/sublet_hub/agents/connection_registry.py",
        "own_gpu = gpu is not None and gpu.node == view.node",
        "own_gpu = gpu is not None",
        (f"{_COMPROMISED}::test_no_event_of_its_is_stored_about_another_nodes_slice_or_card",),
    ),
    Mutant(
        18,
        "an agent names others' owners to its own tenants",
        "hub_ext/sublet_hub/web/views/slices.py",
        "        lent_to = self._shown_ids(report.lent_to, viewer)\n",
        "        lent_to = report.lent_to\n",
        (
            (
                f"{_COMPROMISED}::"
                "test_what_it_reports_as_lent_shows_its_tenants_nothing_of_another_nodes_owner"
            ),
        ),
    ),
    Mutant(
        18,
        "an energy counter that runs faster than any card is believed",
        "hub_ext/sublet_hub/usage/meter.py",
        "return 0 <= energy_mj - card.energy_mj <= _MOST_MW * passed_s",
        "return True",
        (
            f"{_BEYOND}::test_a_counter_that_ran_faster_than_any_card_keeps_nobodys_use_from_being_stored",
        ),
    ),
    Mutant(
        18,
        "numbers that no column holds are read",
        "quota/sublet_quota/wire/schema.py",
        "Millijoules = Annotated[int, Field(ge=0, le=MOST_EXACT)]",
        "Millijoules = Annotated[int, Field(ge=0)]",
        (
            "tests/quota/wire/test_bounds.py::test_an_agents_counter_that_no_column_holds_is_refused",
        ),
    ),
    Mutant(
        18,
        "one use that no column holds keeps all from being stored",
        "hub_ext/sublet_hub/usage/store.py",
        "good = [row for row in rows if self._fits(row)]",
        "good = list[dict[str, Any]]()",
        (
            "tests/hub/ledger/test_reading.py::test_use_that_no_column_holds_keeps_nobody_elses_from_being_stored",
        ),
    ),
    Mutant(
        18,
        "words of any length are read",
        "quota/sublet_quota/wire/schema.py",
        "BeforeValidator(_shortener(MOST_TEXT)), StringConstraints(max_length=MOST_TEXT)",
        "StringConstraints(max_length=10 * MOST_LONG_TEXT)",
        (
            "tests/quota/wire/test_bounds.py::test_words_that_an_agent_tells_are_cut_where_they_are_too_long",
        ),
    ),
    Mutant(
        18,
        "what cannot be told to one node keeps the others from being told",
        "hub_ext/sublet_hub/state/isolation.py",
        "except Exception as error:",
        "except ZeroDivisionError as error:",
        (
            (
                f"{_TOLD}::"
                "test_a_node_that_cannot_be_told_keeps_no_other_from_being_told_and_is_logged_once"
            ),
        ),
    ),
)
