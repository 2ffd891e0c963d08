"""Entries, each right alone, that do not fit together: with the numbers, and both lines."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.document.consistency.guarantees import ends_of_groups
from sublet_quota.document.lookups.moments import State, in_force
from sublet_quota.document.lookups.reservations import sets_that_overlap
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.shares.group_tree import GroupNode, GroupTree, NodeName

from tests.support.quota_documents import problems_of

CASES = {
    "guarantees beyond those of the group above": (
        """
        groups:
          science:
            guaranteed: {H100: 2}
            groups:
              nlp: {guaranteed: {H100: 2}}
              bio: {guaranteed: {H100: 0.5}}
        """,
        (
            "line 4: groups.science.guaranteed.H100: guarantees 2 cards, less than the groups in "
            "it together: 2.5 (bio 0.5 in line 7, nlp 2 in line 6). Write 2.5 or more, or less for "
            "them"
        ),
    ),
    "guarantees in a group that guarantees nothing of the type": (
        """
        groups:
          science:
            groups:
              nlp: {guaranteed: {H100: 1}}
        """,
        "line 3: groups.science.guaranteed.H100: guarantees 0 cards, less than the groups in it",
    ),
    "a guarantee above the group's own limit": (
        """
        groups:
          lab:
            limit: {H100: 1}
            guaranteed:
              H100: 1.5
        """,
        (
            "line 6: groups.lab.guaranteed.H100: guarantees 1.5 cards, above the limit of 1 that "
            "groups.lab.limit.H100 in line 4 says: write no more than the limit, or raise the limit"
        ),
    ),
    "guarantees of all types above the limit of cards": (
        "groups: {lab: {limit: {cards: 2}, guaranteed: {H100: 1, L4: 1.5}}}",
        (
            "line 1: groups.lab.guaranteed: guarantees 2.5 cards, above the limit of 2 that "
            "groups.lab.limit.cards in line 1 says"
        ),
    ),
    "a guarantee above the limit of a group above": (
        """
        groups:
          science:
            guaranteed: {L4: 9}
            limit: {L4: 9, cards: 9}
            groups:
              nlp:
                groups: {deep: {}}
        exceptions:
          - {groups: [science], set: {limit: {L4: 8}}, until: 2026-12-14, why: repair}
        """,
        (
            "line 4: groups.science.guaranteed.L4: guarantees 9 cards, above the limit of 8 that "
            "exceptions[0].set.limit.L4 in line 10 says"
        ),
    ),
    "a guarantee that fits only while an exception lasts": (
        """
        groups:
          science: {guaranteed: {L4: 1}, groups: {nlp: {}}}
        exceptions:
          - {groups: [science], set: {guaranteed: {L4: 5}}, until: 2026-12-14, why: a}
          - {groups: [nlp], set: {guaranteed: {L4: 5}}, until: 2026-12-24, why: b}
        """,
        (
            "line 3: groups.science.guaranteed.L4: guarantees 1 card, less than the groups in it "
            "together: 5 (nlp 5 in line 6)"
        ),
    ),
    "a group that is there twice": (
        """
        groups:
          lab: {}
          science:
            groups:
              lab: {}
        """,
        "line 6: groups.science.groups.lab: is there twice in the tree (first in line 3)",
    ),
    "a size in a pool that is not there": (
        """
        sizes:
          - {name: s, memory: 1/2, compute: 1, pool: interactve}
        """,
        (
            "line 3: sizes.s.pool: names 'interactve', which is not in `pools` "
            "(did you mean 'interactive'?): there are interactive"
        ),
    ),
    "a size of everyone that is not there": (
        "everyone: {sizes: [small, smal]}",
        (
            "everyone.sizes[1]: names 'smal', which is not in `sizes` (did you mean 'small'?): "
            "there are small, medium, large, whole"
        ),
    ),
    "a size for a group that is not there": (
        "groups: {science: {}}\nsizes: {s: {memory: 1, compute: 1, for: [sience]}}",
        "sizes.s.for[0]: names 'sience', which is not in `groups` (did you mean 'science'?)",
    ),
    "a size called as if there was none": (
        "sizes: {none: {memory: 1/2, compute: 1}}",
        "sizes.none: cannot be a size's name: who asks for 'none' gets no GPU",
    ),
    "a limit whose key is what others call another key": (
        "everyone: {limit: {gpus: 2}}",
        "everyone.limit.gpus: 'gpus' is no GPU type (did you mean 'cards'?): write that, or a type",
    ),
    "a limit whose key is no type and nearly another key": (
        "everyone: {limit: {card: 2}}",
        "everyone.limit.card: 'card' is no GPU type (did you mean 'cards'?): write that, or a type",
    ),
    "a limit of a type in other letters": (
        "gpu_types: {L4: {match: x}}\neveryone: {jobs: {limit: {l4: 1}}}",
        "everyone.jobs.limit.l4: names 'l4', which is not in `gpu_types` (did you mean 'L4'?)",
    ),
    "a limit of memory in other letters": (
        "gpu_types: {L4: {match: x}}\neveryone: {jobs: {limit: {Memory: 2}}}",
        "everyone.jobs.limit.Memory: 'Memory' is no GPU type (did you mean 'memory'?)",
    ),
    "a guarantee of a type that is not there": (
        "gpu_types: {H100: {match: '*H100*'}}\ngroups: {g: {guaranteed: {H10: 1}}}",
        "groups.g.guaranteed.H10: names 'H10', which is not in `gpu_types` (did you mean 'H100'?)",
    ),
    "a guarantee of cards of all types": (
        "groups: {g: {guaranteed: {cards: 3}}}",
        "groups.g.guaranteed.cards: 'cards' is no GPU type: name one",
    ),
    "a limit of a type that is not there": (
        "gpu_types: {H100: {match: '*H100*'}}\ngroups: {g: {each: {limit: {A40: 1}}}}",
        "groups.g.each.limit.A40: names 'A40', which is not in `gpu_types`",
    ),
    "jobs on a type that is not there": (
        "gpu_types: {H100: {match: '*H100*'}}\neveryone: {jobs: {types: [L4]}}",
        "everyone.jobs.types[0]: names 'L4', which is not in `gpu_types`",
    ),
    "a pattern for a type": (
        "pools: {p: {types: ['*H100*']}}",
        (
            "pools.p.types[0]: '*H100*' is a pattern, and types are named: write a section "
            '`gpu_types: {NAME: {match: "*H100*"}}`, and NAME here'
        ),
    ),
    "a type called as a key of limits": (
        "gpu_types: {cards: {match: x}}",
        "gpu_types.cards: cannot be a type's name: it is a key of limits; write another",
    ),
    "a model in two types": (
        "gpu_types: {a: {match: L4}, b: {match: [T4, l4]}}",
        "gpu_types.b.match[1]: 'l4' is in `a`, too, and a card that two types match is closed",
    ),
    "two default pools": (
        "pools:\n- {name: a, default: true}\n- {name: b, ids: [x], default: true}\n",
        "line 3: pools.b.default: is the second default beside a (line 2): keep one",
    ),
    "no default pool": (
        "pools: [{name: a}, {name: b, ids: [x]}]",
        "pools: has several entries, and none says `default: true`",
    ),
    "two pools of all the rest": (
        "pools: [{name: a, default: true}, {name: b}]",
        "pools.b: has what no other pool has, and so has a: give one of them",
    ),
    "two default sizes": (
        (
            "sizes: [{name: a, memory: 1, compute: 1, default: true}, "
            "{name: b, memory: 1, compute: 1, default: true}]"
        ),
        "sizes.b.default: is the second default beside a (line 1): keep one",
    ),
    "a pool that lends to one that is not there": (
        "pools: {p: {lends: {q: 25%}}}",
        "pools.p.lends.q: names 'q', which is not in `pools`",
    ),
    "a pool that lends to itself": (
        "pools: {p: {lends: {p: 25%}}}",
        "pools.p.lends.p: lends to itself: name another pool",
    ),
    "an exception for nobody": (
        "exceptions: [{set: {limit: {cards: 1}}, why: x}]",
        "exceptions[0]: is for nobody: name persons in `who`, or `groups`",
    ),
    "an exception for a group that is not there": (
        "groups: {lab: {}}\nexceptions: [{groups: [lap], set: {weight: 2}, why: x}]",
        "exceptions[0].groups[0]: names 'lap', which is not in `groups` (did you mean 'lab'?)",
    ),
    "a guarantee for a person": (
        "exceptions: [{who: [ada], set: {guaranteed: {H100: 1}}, why: x}]",
        "exceptions[0].set.guaranteed: is for groups alone, and the exception is for persons",
    ),
    "a weight for a person": (
        "exceptions: [{who: [ada], set: {weight: 0}, why: x}]",
        "exceptions[0].set.weight: is for groups alone",
    ),
    "what each may have, for a person": (
        "exceptions: [{who: [ada], set: {each: {limit: {cards: 1}}}, why: x}]",
        "exceptions[0].set.each: is for groups alone",
    ),
    "what one person may keep, for a group": (
        "groups: {g: {}}\nexceptions: [{groups: [g], set: {keep_a_day: 1h}, why: x}]",
        "exceptions[0].set.keep_a_day: is what one person may: write it in `each` for groups",
    ),
    "how long one person's server may be idle, for a group": (
        "groups: {g: {}}\nexceptions: [{groups: [g], set: {max_idle: 1h}, why: x}]",
        "exceptions[0].set.max_idle: is what one person may: write it in `each` for groups",
    ),
    "jobs' types for each person of a group": (
        "groups: {g: {each: {jobs: {types: [L4]}}}}",
        (
            "groups.g.each.jobs.types: holds for every job that the group pays: write it in the "
            "group's own `jobs`"
        ),
    ),
    "a tree beyond all sense": (
        "groups: " + "".join(f"{{g{n}: {{groups: " for n in range(14)) + "{}" + "}}" * 14,
        "is nested deeper than 12 groups",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_entries_that_do_not_fit_together_are_told(name: str) -> None:
    text, expected = CASES[name]
    found = problems_of(text)
    assert any(expected in problem for problem in found), found


def node(name: str, document: QuotaDocument, gpu_type: str) -> GroupNode:
    group = document.all_groups[name]  # type: ignore[index]
    limit = group.limit.types.get(gpu_type)
    assert limit is None or not isinstance(limit, str)
    return GroupNode(
        NodeName(name),
        group.weight,
        group.guaranteed.get(gpu_type, 0),  # type: ignore[arg-type]
        limit,
        tuple(node(each, document, gpu_type) for each in group.groups),
    )


TIMES = ("Mon 09:00-12:00", "Mon 11:00-14:00", "2026-12-14 10:00-20:00", "Sun 20:00-24:00")
amounts = st.one_of(st.none(), st.integers(0, 4))


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Small trees with guarantees, limits and exceptions; many contradict themselves."""

    def said(*keys: str) -> str:
        values = {key: draw(amounts) for key in keys}
        inner = {key: f"{{L4: {value}}}" for key, value in values.items() if value is not None}
        return ", ".join(f"{key}: {value}" for key, value in inner.items())

    b, c, a = (said("guaranteed", "limit") for _ in range(3))
    groups = f"{{a: {{groups: {{b: {{{b}}}, c: {{{c}}}}}{', ' if a else ''}{a}}}}}"
    exceptions = [
        f"{{groups: [{draw(st.sampled_from('abc'))}], set: {{{said('guaranteed', 'limit')}}}, "
        f"why: x, until: 2026-12-{day}}}"
        for day in draw(st.lists(st.integers(10, 20), max_size=2))
    ]
    reservations = [
        f"{{name: r{n}, for: {draw(st.sampled_from('abc'))}, guaranteed: {{L4: 1}}, at: {at}}}"
        for n, at in enumerate(draw(st.lists(st.sampled_from(TIMES), max_size=3)))
    ]
    return (
        f"groups: {groups}\nexceptions: [{', '.join(exceptions)}]\n"
        f"reservations: [{', '.join(reservations)}]"
    )


@settings(max_examples=300)
@given(documents())
def test_what_is_read_can_be_a_tree_of_shares_at_every_moment(text: str) -> None:
    try:
        read = read_quota_document(text)
    except QuotaDocumentError:
        return
    reserved = {frozenset[int](), *sets_that_overlap(read.reservations)}
    for state in (State(ended, on) for ended in ends_of_groups(read) for on in reserved):
        each = read.with_parts(in_force(read, state))
        GroupTree.of([node(name, each, "L4") for name in each.groups])
