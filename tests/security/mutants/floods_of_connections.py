"""Mutants of the service's bounds on who connects to it, and stays: rule 12."""

from typing import Final

from tests.security.mutant import Mutant

_CONNECTIONS: Final = "hub_ext/sublet_hub/web/connections.py"
_LISTENING: Final = "hub_ext/sublet_hub/web/listening.py"
_ACCESS: Final = "tests/hub/web/test_access.py"
_BODIES: Final = "tests/hub/web/test_methods_and_bodies.py"
_OPEN: Final = "tests/hub/web/test_connections.py"
_CROWD: Final = "test_beside_a_crowd_that_never_ends_its_requests_all_others_are_answered"
_LET_IN_STAY: Final = (
    "test_who_was_let_in_keeps_their_places_from_however_many_addresses_strangers_come"
)

MUTANTS: Final = (
    Mutant(
        12,
        "any number of connections is open",
        _CONNECTIONS,
        "if len(self) >= self._most:",
        "if False:",
        (f"{_OPEN}::test_who_has_the_most_gives_up_their_longest_idle_connection",),
    ),
    Mutant(
        12,
        "who comes first keeps all connections",
        _CONNECTIONS,
        "victim = self._victim()",
        "victim = None",
        (f"{_OPEN}::test_who_has_the_most_gives_up_their_longest_idle_connection",),
    ),
    Mutant(
        12,
        "a stranger's connections cost the proxy's",
        _CONNECTIONS,
        "return max(first, key=lambda each: (each[0], -self._places[each[1]].since))[1]",
        "return next(first)[1]",
        (f"{_OPEN}::test_the_proxy_keeps_its_places_while_a_stranger_opens_a_thousand",),
    ),
    Mutant(
        12,
        "requests that never end keep everybody else out",
        _CONNECTIONS,
        "_About.STRANGER if body_is_over else _About.STRANGER_DELAYS",
        "_About.STRANGER if body_is_over else _About.HUB",
        (f"{_OPEN}::{_CROWD}",),
    ),
    Mutant(
        12,
        "strangers of many addresses take the places of who was let in",
        _CONNECTIONS,
        "self._move(connection, _About.HUB if is_hub else kind, who)",
        "self._move(connection, _About.NOTHING, who)",
        (f"{_OPEN}::{_LET_IN_STAY}",),
    ),
    Mutant(
        12,
        "one caller takes all places",
        _CONNECTIONS,
        "if not is_hub and self._of_caller[who] >= self._most_of_one:",
        "if False:",
        (
            f"{_OPEN}::test_one_caller_has_a_part_of_all_places_and_the_hub_as_many_as_it_needs",
            f"{_BODIES}::test_one_caller_has_so_many_requests_under_way_and_others_are_served",
        ),
    ),
    Mutant(
        12,
        "a crowd of strangers ends all connections that wait for their next request",
        _CONNECTIONS,
        "order.sort(key=lambda about: about not in _STRANGERS)",
        "pass",
        (f"{_OPEN}::test_while_strangers_have_more_than_half_theirs_go_before_idle_ones",),
    ),
    Mutant(
        12,
        "who has just come is the first to go, whoever else is slow",
        _CONNECTIONS,
        "few = self._most // _KEPT_FOR_THE_NEW",
        "few = 0",
        (f"{_OPEN}::test_who_has_just_come_is_read_before_the_next_ones_take_their_place",),
    ),
    Mutant(
        12,
        "more come in one round of the loop than there are places",
        _LISTENING,
        "self._at_once = max(1, min(_AT_ONCE, most_connections // _ROUNDS))",
        "self._at_once = _AT_ONCE",
        (f"{_OPEN}::test_in_each_round_of_the_loop_a_part_of_the_places_is_taken_at_most",),
    ),
    Mutant(
        12,
        "who connects and says nothing is waited for without end",
        _LISTENING,
        "loop.call_later(_HEADERS_WITHIN_S, stream.close)",
        "loop.call_later(1e9, stream.close)",
        (f"{_OPEN}::test_who_connects_and_says_nothing_is_hung_up_on",),
    ),
    Mutant(
        12,
        "a machine without files is asked again at once, for ever",
        _LISTENING,
        "                self._rest(error)\n",
        "",
        (f"{_OPEN}::test_a_machine_without_files_is_let_alone_for_a_while_and_logged_once",),
    ),
    Mutant(
        12,
        "who connects directly on this machine makes lines up",
        "hub_ext/sublet_hub/web/server.py",
        "if peers is None or not peers.is_direct(request):",
        "if True:",
        (
            (
                f"{_ACCESS}::test_who_connects_directly_on_this_machine_"
                "has_one_line_whatever_they_say"
            ),
        ),
    ),
    Mutant(
        12,
        "what was closed at once counts as root's",
        "hub_ext/sublet_hub/security/local_peers.py",
        "return int(uid) if inode else None",
        "return int(uid)",
        (
            (
                "tests/hub/security/test_local_peers.py::"
                "test_a_connection_that_was_closed_at_once_is_nobodys_and_not_roots"
            ),
        ),
    ),
    Mutant(
        12,
        "tenants of this machine take the proxy's connections",
        _LISTENING,
        "self._peers.note(stream, str(address[0])) if address",
        "str(address[0]) if address",
        ((f"{_OPEN}::test_who_connects_directly_on_this_machine_takes_no_places_of_the_proxys"),),
    ),
)
