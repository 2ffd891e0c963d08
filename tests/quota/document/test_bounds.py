"""How many entries a document may have, and what is not done where there are very many."""

from datetime import date, timedelta

import pytest
from sublet_quota.document.consistency.bounds import (
    MOST_ENDS,
    MOST_ENTRIES,
    MOST_GROUPS,
    MOST_OF_A_MEMBER,
    MOST_PATTERNS,
)
from sublet_quota.document.consistency.contradictions import nearest

from tests.support.quota_documents import document, problems_of

GROUPS = "groups: {lab: {}}\n"


def an_end(number: int) -> str:
    return (date(2027, 1, 1) + timedelta(days=number)).isoformat()


ENTRIES = {
    "gpu_types": ("gpu_types:\n", "  T{n}: {{match: m{n}}}\n"),
    "pools": ("pools:\n- {name: own, default: true}\n", "- {{name: p{n}, nodes: [n{n}]}}\n"),
    "sizes": ("sizes:\n", "- {{name: s{n}, memory: 1, compute: 1}}\n"),
    "exceptions": (
        "exceptions:\n",
        "- {{who: [u{n}], set: {{limit: {{cards: 1}}}}, why: course}}\n",
    ),
    "reservations": (
        GROUPS + "reservations:\n",
        "- {{name: r{n}, for: lab, guaranteed: {{L4: 1}}, at: '{end} 10:00-12:00'}}\n",
    ),
    "closed": ("closed:\n", "- {{node: n{n}, why: fan}}\n"),
}


def many(section: str, count: int) -> str:
    head, entry = ENTRIES[section]
    return head + "".join(entry.format(n=n, end=an_end(n)) for n in range(count))


@pytest.mark.parametrize("section", sorted(MOST_ENTRIES))
def test_a_section_with_very_many_entries_is_refused(section: str) -> None:
    (problem,) = problems_of(many(section, MOST_ENTRIES[section] + 1))
    assert f"at most {MOST_ENTRIES[section]} are read" in problem
    assert section in problem


def test_all_that_are_read_may_be_there() -> None:
    read = document(many("gpu_types", MOST_ENTRIES["gpu_types"]))
    assert len(read.gpu_types) == MOST_ENTRIES["gpu_types"]


def test_the_groups_of_the_whole_tree_are_counted() -> None:
    below = "".join(f"      g{n}: {{}}\n" for n in range(MOST_GROUPS))
    (problem,) = problems_of(f"groups:\n  top:\n    groups:\n{below}")
    assert f"groups in all: at most {MOST_GROUPS} are read" in problem


def test_the_ends_of_groups_exceptions_are_counted_once_each() -> None:
    def ending(ends: int) -> str:
        entries = "".join(
            "- {groups: [lab], set: {limit: {cards: 2}}, why: w, until: " + an_end(n % ends) + "}\n"
            for n in range(MOST_ENDS + 1)
        )
        return f"{GROUPS}exceptions:\n{entries}"

    assert problems_of(ending(MOST_ENDS)) == []
    (problem,) = problems_of(ending(MOST_ENDS + 1))
    assert f"at most {MOST_ENDS} are read" in problem


def test_of_very_many_known_words_none_is_compared() -> None:
    assert nearest("lbb", ["lab"]) == " (did you mean 'lab'?)"
    assert nearest("lbb", [f"lab{n}" for n in range(501)]) == ""


def test_a_group_of_the_hub_is_a_member_of_so_many_groups_and_no_more() -> None:
    """Whoever is in it has as many who could pay, and all are looked at for each request."""

    def members(number: int) -> str:
        return "groups:\n" + "".join(f"  g{n}: {{members: [m{n}, staff]}}\n" for n in range(number))

    assert problems_of(members(MOST_OF_A_MEMBER)) == []
    (problem,) = problems_of(members(MOST_OF_A_MEMBER + 1))
    assert f"'staff' in `members` of {MOST_OF_A_MEMBER + 1}: it may be in those of" in problem


def test_patterns_are_counted_and_exact_names_are_not() -> None:
    """Each card is looked at by all patterns: of thousands that took minutes."""

    def nodes(patterns: int) -> str:
        listed = [f"'n{n}*'" for n in range(patterns)] + [f"m{n}" for n in range(2000)]
        return f"pools: [{{name: a, nodes: [{', '.join(listed)}]}}]"

    assert problems_of(nodes(MOST_PATTERNS)) == []
    (problem,) = problems_of(nodes(MOST_PATTERNS + 1))
    assert f"have {MOST_PATTERNS + 1} patterns in all: at most {MOST_PATTERNS}" in problem
