"""Mutants of what a compromised agent tells the service: rule 18.

Its word counts for its own node alone, and none of it is believed beyond its bounds.
"""

from typing import Final

from tests.security.mutant import Mutant

_CONNECTION: Final = "hub_ext/sublet_hub/agents/connection.py"
_CONNECTIONS: Final = "tests/hub/agents/test_connection.py"
_FLEET: Final = "hub_ext/sublet_hub/state/fleet.py"
_COMPROMISED: Final = "tests/hub/agents/test_compromised_agent.py"
_BEYOND: Final = "tests/hub/agents/test_beyond_bounds.py"
_TOLD: Final = "tests/hub/agents/test_assignments.py"
_REGISTRY: Final = "hub_ext/sublet_hub/agents/connection_registry.py"
_CLOSINGS: Final = "hub_ext/sublet_hub/slices/closings.py"

_MOVED: Final = "hub_ext/sublet_hub/state/moved_slices.py"
_MOVES: Final = "tests/hub/state/test_moved_slices.py"

MUTANTS: Final = (
    Mutant(
        18,
        "that a slice was moved is told for as long as its agent likes",
        _MOVED,
        "min(event.at, now())",
        "event.at",
        (f"{_MOVES}::test_of_a_time_to_come_an_agent_tells_as_of_now",),
    ),
    Mutant(
        18,
        "a slice was moved because an agent says so",
        _MOVED,
        "record.came_from is not None and gpu_id == record.gpu.gpu_id",
        "record.came_from is not None",
        (f"{_MOVES}::test_of_an_agents_event_nothing_is_told_where_the_slice_is_elsewhere",),
    ),
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
    Mutant(
        18,
        "an agent's words for a slice that stays fill the ledger",
        "hub_ext/sublet_hub/slices/card_changes.py",
        "within_bytes(report.stays, MOST_FOREIGN_BYTES)",
        "report.stays",
        (
            (
                "tests/hub/slices/moving/test_card_changes.py::"
                "test_of_an_agents_words_for_that_an_event_has_the_first"
            ),
        ),
    ),
)
