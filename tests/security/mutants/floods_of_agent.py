"""Mutants of the agent's bounds on what tenants take of it and let it wait: rule 12."""

from typing import Final

from tests.security.mutant import Mutant

_BUDGETS: Final = "hub_ext/sublet_agent/tenants/budgets.py"
_LINES: Final = "hub_ext/sublet_agent/tenants/lines.py"
_SERVER: Final = "hub_ext/sublet_agent/tenants/server.py"
_REQUESTS: Final = "hub_ext/sublet_agent/tenants/request_handler.py"
_MEMORY: Final = "hub_ext/sublet_procfs/tenant_memory.py"
_REGISTRY: Final = "hub_ext/sublet_agent/residency/registry.py"
_BUDGET_TESTS: Final = "tests/agent/tenants/test_budgets.py"
_FAIRNESS: Final = "tests/agent/tenants/test_socket_fairness.py"
_LINE_TESTS: Final = "tests/agent/tenants/test_lines.py"
_REQUEST_TESTS: Final = "tests/agent/tenants/test_request_handler.py"
_HELD: Final = "tests/agent/measurement/test_held_memory.py"
_PODS: Final = "tests/agent/app/test_tenants_of_pods.py"
_READS: Final = "tests/procfs/test_tenant_memory.py"
_LETS_WAIT: Final = f"{_READS}::test_an_account_that_lets_wait_is_not_read_for_a_while"
_CONVERSATION: Final = "hub_ext/sublet_agent/tenants/connection.py"

MUTANTS: Final = (
    Mutant(
        12,
        "a tenant's connections each have a budget of their own",
        _BUDGETS,
        "self._left -= cost",
        "self._left -= 0",
        (f"{_FAIRNESS}::test_connections_of_a_slice_get_no_more_together_than_one",),
    ),
    Mutant(
        12,
        "a tenant has any number of connections",
        _BUDGETS,
        "if len(tenant.speakers) < most:",
        "if True:",
        (f"{_BUDGET_TESTS}::test_a_tenant_has_so_many_connections_and_no_more",),
    ),
    Mutant(
        12,
        "who was looked at closely and says nothing counts as a stranger",
        _SERVER,
        "            self._tenants.place(speaker)\n        return why",
        "            pass\n        return why",
        (
            (
                f"{_FAIRNESS}::"
                "test_who_was_looked_at_closely_counts_with_their_slice_before_they_say_anything"
            ),
        ),
    ),
    Mutant(
        12,
        "one tenant takes all connections of a small machine",
        _BUDGETS,
        "self._most_of_one = min(limits.connections, max(1, most // _SHARED_BY))",
        "self._most_of_one = limits.connections",
        (f"{_BUDGET_TESTS}::test_where_few_are_possible_in_all_no_tenant_takes_most_of_them",),
    ),
    Mutant(
        12,
        "strangers of many accounts take all connections",
        _BUDGETS,
        "if speaker.is_stranger and len(self._strangers) >= self._most_strangers:",
        "if False:",
        (f"{_BUDGET_TESTS}::test_strangers_of_many_accounts_keep_no_slice_out",),
    ),
    Mutant(
        12,
        "all connections together have no bound",
        _BUDGETS,
        "if len(self._placed) >= self._most:",
        "if False:",
        (f"{_BUDGET_TESTS}::test_where_few_are_possible_in_all_no_tenant_takes_most_of_them",),
    ),
    Mutant(
        12,
        "a line has any length",
        _LINES,
        "if len(line) > MOST_LINE_BYTES:",
        "if False:",
        (f"{_LINE_TESTS}::test_a_line_that_is_too_long_is_not_kept",),
    ),
    Mutant(
        12,
        "what was not asked for is read",
        _LINES,
        "self._transport.pause_reading()",
        "self._transport.resume_reading()",
        (f"{_LINE_TESTS}::test_nothing_is_read_that_was_not_asked_for",),
    ),
    Mutant(
        12,
        "answers wait for who does not read",
        _LINES,
        "if unread and unread + len(line) > _MOST_UNREAD_BYTES:",
        "if False:",
        (f"{_LINE_TESTS}::test_who_asks_and_does_not_read_is_hung_up_on",),
    ),
    Mutant(
        12,
        "a tenant's memory is read in the agent's loop",
        _REQUESTS,
        "        verdict = self._attribution.peer_at_once(peer)\n"
        "        return None if verdict is None else self._served(verdict.slice_id)\n",
        "        return self._served(self._attribution.slice_of_peer(peer))\n",
        (f"{_REQUEST_TESTS}::test_at_once_nobodys_memory_is_read",),
    ),
    Mutant(
        12,
        "processes of one account are looked at side by side, and nobody else's",
        _REQUESTS,
        "        async with turn:\n            loop",
        "        if turn:\n            loop",
        (
            (
                f"{_REQUEST_TESTS}::"
                "test_who_keeps_its_memory_from_being_read_keeps_no_other_from_being_known"
            ),
        ),
    ),
    Mutant(
        12,
        "a process keeps whoever reads its memory for as long as it likes",
        _MEMORY,
        "told = reader.ask(request, self._limits.within_s)",
        "told = reader.ask(request, 1e6)",
        (_LETS_WAIT,),
    ),
    Mutant(
        12,
        "who lets readers wait is read again and again",
        _MEMORY,
        "if self._time.is_used_up(whose, self._monotonic()):",
        "if False:",
        (_LETS_WAIT,),
    ),
    Mutant(
        12,
        "reads that end just in time cost a tenant nothing",
        _MEMORY,
        'self._time.charge(whose, told.get("took_s", now_s - began_s), now_s)',
        "pass",
        (f"{_READS}::test_reads_that_end_just_in_time_are_not_made_without_end",),
    ),
    Mutant(
        12,
        "a read of a map may be of any length",
        "hub_ext/sublet_procfs/reader_process.py",
        "if missing and read > _MOST_MAPPED_BYTES:",
        "if False:",
        (
            (
                f"{_READS}::test_of_more_mapped_than_is_read_it_is_not_said_that_something"
                "_is_not_there"
            ),
        ),
    ),
    Mutant(
        12,
        "any number of readers is left behind",
        _MEMORY,
        "if of_tenant >= limits.left_behind_of_one"
        " or len(self._left_behind) >= limits.left_behind:",
        "if False:",
        (f"{_READS}::test_readers_that_nothing_ends_are_few",),
    ),
    Mutant(
        12,
        "one tenant leaves all the readers behind that may be",
        _MEMORY,
        "if of_tenant >= limits.left_behind_of_one or",
        "if",
        ((f"{_READS}::test_one_tenant_leaves_one_reader_behind_however_many_processes_it_has"),),
    ),
    Mutant(
        12,
        "all pods of a node, which have one account, count as one tenant",
        _REGISTRY,
        "if assignment is None or assignment.pod_uid is None:",
        "if True:",
        (
            (
                f"{_HELD}::test_of_two_pods_with_one_account_the_one_that_blocks_is_unreadable"
                "_and_the_other_is_not"
            ),
            (
                f"{_HELD}::test_right_before_a_suspend_too_a_pod_that_blocks_keeps_only_its"
                "_owners_unread"
            ),
        ),
    ),
    Mutant(
        12,
        "an agent that starts waits for accounts that hold their memory, one after another",
        "hub_ext/sublet_agent/moves/recovery.py",
        "_ACCOUNTS_AT_ONCE: Final = 8",
        "_ACCOUNTS_AT_ONCE: Final = 1",
        (
            (
                "tests/agent/moves/test_recovery.py::test_at_the_start_accounts_that_keep_their"
                "_memory_from_being_read_keep_no_other_unread"
            ),
        ),
    ),
    Mutant(
        12,
        "the agent does not say whose pods' processes are",
        "hub_ext/sublet_agent/app/node_agent.py",
        "            tenant_of=self._tenant_of,\n",
        "",
        (f"{_PODS}::test_an_agent_tells_pods_of_one_account_apart_by_their_owners",),
    ),
    Mutant(
        12,
        "each pod of an owner counts as a tenant",
        _REGISTRY,
        'return f"owner {assignment.owner!r}"',
        'return f"slice {slice_id}"',
        ((f"{_HELD}::test_all_pods_of_one_owner_count_as_one_so_that_many_of_them_gain_nothing"),),
    ),
    Mutant(
        12,
        "any number of a connection's cells waits at the gate",
        _CONVERSATION,
        "if len(self._gates) >= _MOST_GATES:",
        "if False:",
        (f"{_FAIRNESS}::test_so_many_cells_of_a_connection_wait_at_the_gate_and_no_more",),
    ),
    Mutant(
        12,
        "who says nothing but nonsense is listened to for ever",
        _CONVERSATION,
        "return self._bad_lines >= _MOST_BAD_LINES",
        "return False",
        (f"{_FAIRNESS}::test_who_says_nothing_but_nonsense_is_listened_to_no_more",),
    ),
)
