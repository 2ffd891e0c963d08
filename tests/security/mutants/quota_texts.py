"""Mutants of how the text of a quota document is read: rules 10 and 16."""

from typing import Final

from tests.security.mutant import Mutant

MUTANTS: Final = (
    Mutant(
        10,
        "YAML may have aliases",
        "quota/sublet_quota/document/text/tree.py",
        "            self._refuse_references(event, line)\n",
        "",
        (
            (
                "tests/quota/document/test_problems.py::"
                "test_a_bomb_of_aliases_is_refused_without_being_unfolded"
            ),
        ),
    ),
    Mutant(
        10,
        "of a key that is there twice the last counts",
        "quota/sublet_quota/document/text/tree.py",
        "level.ignored = event.value in level.value",
        "level.ignored = False",
        (
            (
                "tests/quota/document/test_problems.py::"
                "test_a_wrong_document_says_line_key_what_is_wrong_and_what_is_allowed"
            ),
        ),
    ),
    Mutant(
        10,
        # Without any end a document of a MiB takes all of the machine's memory.
        "YAML may be nested a hundred times as deep",
        "quota/sublet_quota/document/text/tree.py",
        "if len(self._levels) >= MOST_LEVELS:",
        "if len(self._levels) >= 100 * MOST_LEVELS:",
        (
            (
                "tests/quota/document/test_problems.py::"
                "test_a_wrong_document_says_line_key_what_is_wrong_and_what_is_allowed"
            ),
        ),
    ),
    Mutant(
        10,
        "YAML may be of any size",
        "quota/sublet_quota/document/text/tree.py",
        "if size > MOST_BYTES:",
        "if False:",
        (
            (
                "tests/quota/document/test_problems.py::"
                "test_a_wrong_document_says_line_key_what_is_wrong_and_what_is_allowed"
            ),
        ),
    ),
    Mutant(
        10,
        "a day of a reservation may be at the end of time",
        "quota/sublet_quota/document/value_kinds/reserved_time.py",
        "if not _FIRST_YEAR <= day.year <= _LAST_YEAR:",
        "if False:",
        (
            (
                "tests/quota/document/test_reservations.py::"
                "test_days_at_the_ends_of_time_are_refused_with_their_line"
            ),
        ),
    ),
    Mutant(
        10,
        "a document may have any number of entries",
        "quota/sublet_quota/document/consistency/contradictions.py",
        "    if many:\n",
        "    if False:\n",
        ("tests/quota/document/test_bounds.py::test_the_groups_of_the_whole_tree_are_counted",),
    ),
    Mutant(
        10,
        "a document may have thousands of patterns, which all look at each card",
        "quota/sublet_quota/document/consistency/bounds.py",
        "if count > MOST_PATTERNS:",
        "if False:",
        (
            (
                "tests/quota/document/test_bounds.py::"
                "test_patterns_are_counted_and_exact_names_are_not"
            ),
        ),
    ),
    Mutant(
        10,
        "whoever is in one group of the hub has thousands of groups that could pay",
        "quota/sublet_quota/document/consistency/bounds.py",
        "if count > MOST_OF_A_MEMBER:",
        "if False:",
        (
            (
                "tests/quota/document/test_bounds.py::"
                "test_a_group_of_the_hub_is_a_member_of_so_many_groups_and_no_more"
            ),
        ),
    ),
    Mutant(
        16,
        "names in a document may steer terminals and logs",
        "quota/sublet_quota/document/text/tree.py",
        "        self._refuse_unseen(event, line)\n",
        "",
        (
            (
                "tests/quota/document/test_unseen_characters.py::"
                "test_they_are_refused_wherever_they_are"
            ),
        ),
    ),
)
