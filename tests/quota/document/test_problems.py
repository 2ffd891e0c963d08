"""A wrong quota document: each problem has its line, its key, what is wrong, what is allowed."""

import tracemalloc

import pytest
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.reading import read_quota_document

from tests.support.quota_documents import problems_of

CASES = {
    "a list of groups": (
        "groups: [a, b]",
        "line 1: groups: a list is no mapping: write one, `NAME",
    ),
    "a mapping in place of closed cards": (
        "closed: {node: dgx1}",
        "line 1: closed: a mapping is no list: begin each entry with `- `",
    ),
    "a flag as a limit": ("everyone: {limit: {cards: true}}", "cards: true is no limit of cards"),
    "a guarantee that is no amount by type": (
        "groups: {a: {guaranteed: 8}}",
        "line 1: groups.a.guaranteed: 8 is no mapping: write one, `NAME: ...` a line",
    ),
    "a weight that is no whole number": (
        "groups: {a: {weight: 1.5}}",
        "line 1: groups.a.weight: 1.5 is no whole number: write one, such as 1, 2 or 3",
    ),
    "a key that nobody knows": (
        "pools:\n  fast:\n    memory_overcomit: 2\n",
        (
            "line 3: pools.fast.memory_overcomit: is no known key "
            "(did you mean 'memory_overcommit'?): known here are types,"
        ),
    ),
    "a key by the name it has in the code": (
        "sizes: {s: {memory: 1, compute: 1, for_: [a]}}",
        "line 1: sizes.s.for_: is no known key (did you mean 'for'?)",
    ),
    "a section that nobody knows": (
        "pool: {}",
        "line 1: pool: is no known key (did you mean 'pools'?)",
    ),
    "a key of a group in a group": (
        "groups:\n  a:\n    groups:\n      b:\n        wait: 3\n",
        "line 5: groups.a.groups.b.wait: is no known key",
    ),
    "a flag that is none": (
        "pools: {p: {lend: perhaps}}",
        "line 1: pools.p.lend: 'perhaps' is neither true nor false: write true or false",
    ),
    "a duration without a known unit": (
        "pools: {p: {idle_after: 3 weeks}}",
        "pools.p.idle_after: '3 weeks' is no duration: write '30 s', '10m'",
    ),
    "a duration that is no number of seconds": (
        "pools: {p: {idle_after: 1:30}}",
        "pools.p.idle_after: '1:30' is no duration",
    ),
    "idle at once": ("pools: {p: {idle_after: 0}}", "pools.p.idle_after: 0 is zero"),
    "a duration beyond all sense": (
        "pools: {p: {turn: 1000d}}",
        "pools.p.turn: '1000d' is longer than 366 days",
    ),
    "less than everything": (
        "pools: {p: {memory_overcommit: 0.5}}",
        "pools.p.memory_overcommit: 0.5 is no factor: write a number from 1 to 100",
    ),
    "no compute at all": (
        "pools: {p: {max_compute: 0}}",
        "pools.p.max_compute: 0 is less than a thousandth of a GPU: write '1m' or more",
    ),
    "an overcommit that is no number": (
        "pools: {p: {compute_overcommit: .nan}}",
        "pools.p.compute_overcommit: '.nan' is no factor",
    ),
    "a part that is none": (
        "pools: [{name: p, default: true}, {name: q, ids: [x], lends: {p: 30 apples}}]",
        "pools.q.lends.p: '30 apples' is no part: write '25%', '1/4' or 0.25, from 0 to 1",
    ),
    "a part of more than all": (
        "pools: [{name: p, default: true}, {name: q, ids: [x], lends: {p: 120%}}]",
        "pools.q.lends.p: '120%' is no part",
    ),
    "memory of a size in a unit that is none": (
        "sizes: {s: {memory: 20 GB, compute: 1}}",
        "sizes.s.memory: '20 GB' is no amount of memory: write '40 GiB', '512 MiB' or a part",
    ),
    "memory of a size without a unit": (
        "sizes: {s: {memory: 40, compute: 1}}",
        "sizes.s.memory: 40 is memory without a unit: write '40 GiB' or '40 MiB', or a part",
    ),
    "memory of a limit without a unit": (
        "everyone: {limit: {memory: 40}}",
        "everyone.limit.memory: 40 is memory without a unit: write '40 GiB' or '40 MiB', or 'unl",
    ),
    "more memory than any card has": (
        "sizes: {s: {memory: 999 TiB, compute: 1}}",
        "sizes.s.memory: '999 TiB' is more memory than any card has: write 4 TiB or less",
    ),
    "a size of nothing": (
        "sizes: {s: {memory: 0 GiB, compute: 1}}",
        "sizes.s.memory: '0 GiB' is no memory",
    ),
    "a size of no part": ("sizes: {s: {memory: 0, compute: 1}}", "sizes.s.memory: 0 is no part"),
    "a size larger than a GPU": (
        "sizes: {s: {memory: 3/2, compute: 1}}",
        "sizes.s.memory: '3/2' is no part of one GPU",
    ),
    "a part by nothing": (
        "sizes: {s: {memory: 1/0, compute: 1}}",
        "sizes.s.memory: '1/0' is no part of one GPU",
    ),
    "compute of two GPUs": (
        "sizes: {s: {memory: 1/2, compute: 2}}",
        "sizes.s.compute: 2 is 2 GPUs, and a size lies on one: write 1 for all of it",
    ),
    "compute in thousandths without their unit": (
        "sizes: {s: {memory: 1/2, compute: 2000}}",
        (
            "sizes.s.compute: 2000 is 2000 GPUs, and a size lies on one: write 1 for all of it, "
            "0.25 or '250m' for a quarter; 2000 thousandths are '2000m', 2 GPUs"
        ),
    ),
    "compute finer than it is counted": (
        "sizes: {s: {memory: 1/2, compute: 0.3333}}",
        (
            "sizes.s.compute: 0.3333 is 333.3 thousandths of a GPU, and the least part is one: "
            "write '333m' or '334m', or a fraction such as '1/3'"
        ),
    ),
    "compute that is a word": (
        "sizes: {s: {memory: 1/2, compute: much}}",
        "sizes.s.compute: 'much' is no part of a GPU: write 0.25, '250m' or '1/4'",
    ),
    "a size without memory": (
        "sizes:\n  s:\n    compute: 1\n",
        "line 2: sizes.s.memory: is missing: every entry of `sizes` needs it",
    ),
    "a size with memory that is empty": (
        "sizes:\n  s:\n    memory:\n    compute: 1\n",
        "line 3: sizes.s.memory: is empty: write a value, or leave the key out",
    ),
    "a limit that is empty": ("everyone: {limit: }", "everyone.limit: is empty: write a value"),
    "a limit of memory that is empty": (
        "groups: {g: {limit: {memory: }}}",
        "groups.g.limit.memory: is empty: write a value",
    ),
    "a limit of a type that is empty": (
        "groups: {g: {limit: {H100: }}}",
        "groups.g.limit.H100: is empty: write a value",
    ),
    "a guarantee that is empty": (
        "groups: {g: {guaranteed: {H100: }}}",
        "groups.g.guaranteed.H100: is empty: write a value",
    ),
    "a part that is empty": (
        "pools: [{name: a, default: true, lends: {b: }}, {name: b, nodes: [n]}]",
        "pools.a.lends.b: is empty: write a value",
    ),
    "the number of jobs as a limit": (
        "everyone: {limit: {jobs: 4}}",
        "everyone.limit.jobs: is a rule of `jobs`: write `jobs: {most: 4}`",
    ),
    "a list that is empty": ("everyone: {sizes: }", "everyone.sizes: is empty: write a value"),
    "a size that is a word": ("sizes: {s: big}", "sizes.s: 'big' is no mapping: write one with"),
    "a name with a slash": (
        "pools: {a/b: {}}",
        "pools.a/b: 'a/b' cannot be a name: write at most 63 letters",
    ),
    "several pools in a mapping": (
        "pools:\n  fast: {}\n  slow: {}\n",
        "line 3: pools: has several entries, and a mapping has no order. Make it a list",
    ),
    "several sizes in a mapping": (
        "sizes:\n  a: {memory: 1, compute: 1}\n  b: {memory: 1, compute: 1}\n",
        "line 3: sizes: has several entries, and a mapping has no order. Make it a list",
    ),
    "an entry of a list without a name": (
        "sizes:\n- name: s\n  memory: 1/2\n  compute: 1\n- {memory: 1/2, compute: 1}\n",
        "line 5: sizes[1]: is no entry with a name: write `- name: NAME`",
    ),
    "an entry of a list with a number for a name": (
        "pools: [{name: 7}]",
        "pools[0]: is no entry with a name: write `- name: NAME`, and its keys below; put in",
    ),
    "an entry of a list that is a word": ("pools: [fast]", "pools[0]: is no entry with a name"),
    "two entries of one name": (
        "pools:\n- name: a\n- name: a\n",
        "line 3: pools.a: is there twice (first in line 2): keep one",
    ),
    "a key of an entry of a list": (
        "pools:\n- name: p\n  memory_overcomit: 2\n",
        "line 3: pools.p.memory_overcomit: is no known key (did you mean 'memory_overcommit'?)",
    ),
    "a name in a list with a slash": (
        "pools:\n- name: fast\n- name: a/b\n",
        "line 3: pools.a/b: 'a/b' cannot be a name: write at most 63 letters",
    ),
    "a negative limit": (
        "everyone: {limit: {H100: -1}}",
        "everyone.limit.H100: -1 is no limit of cards: write 1, 6, 0.5, '1/2', up to 999999, or",
    ),
    "more cards than are counted": (
        "everyone: {limit: {H100: 1000000}}",
        "everyone.limit.H100: 1000000 is no limit of cards: write 1, 6, 0.5, '1/2', up to 999999",
    ),
    "an exception that says nothing": (
        "exceptions: [{who: [ada], set: {}, why: x, until: 2031-01-01}]",
        "exceptions[0].set: says nothing: write what holds instead, such as `limit: {cards: 2}`",
    ),
    "an exception for groups that says nothing": (
        "groups: {a: {}}\nexceptions: [{groups: [a], set: {}, why: x, until: 2031-01-01}]",
        "exceptions[0].set: says nothing: write what holds instead, such as `weight: 2`",
    ),
    "an exception of a part that says nothing": (
        "exceptions: [{who: [ada], set: {jobs: {}}, why: x, until: 2031-01-01}]",
        "exceptions[0].set: says nothing",
    ),
    "a reason of two lines": (
        'closed: [{node: n, why: "fan\\nbroken"}]',
        "closed[0].why: 'fan\\nbroken' is no line of text: write one line",
    ),
    "a pattern with an open bracket": (
        "gpu_types: {H100: {match: '[H100'}}",
        "gpu_types.H100.match[0]: '[H100' has a '[' without its ']': write '[HA]100', or '[[]'",
    ),
    "a pattern of nodes with an open bracket": (
        "pools: [{name: p, nodes: ['n[!]', 'n[]a]']}]",
        "pools.p.nodes[0]: 'n[!]' has a '[' without its ']'",
    ),
    "a period that is none": (
        "groups: {g: {budget: {hours: 4, per: fortnight}}}",
        "'fortnight' is no period: write day, week, month, quarter, year, or the length of one",
    ),
    "a period longer than a year": (
        "groups: {g: {budget: {hours: 4, per: 400d}}}",
        "groups.g.budget.per: '400d' is longer than 366 days: write less",
    ),
    "cards that are a word": (
        "groups: {g: {guaranteed: {H100: all}}}",
        "groups.g.guaranteed.H100: 'all' is no number of cards: write 1, 6, 0.5 or '1/2', up to",
    ),
    "a number of slices that is none": (
        "everyone: {limit: {slices: many}}",
        "everyone.limit.slices: 'many' is no limit of a number: write 0, 1, 2",
    ),
    "a weight below nothing": ("groups: {g: {weight: -1}}", "groups.g.weight: -1 is too small"),
    "a rate of nothing": (
        "gpu_types: {a: {match: a, rate: 0}}",
        "gpu_types.a.rate: 0 is no rate: write a number above 0",
    ),
    "a type without a model": ("gpu_types: {a: {}}", "gpu_types.a.match: is missing: every entry"),
    "a type of no models": ("gpu_types: {a: {match: []}}", "gpu_types.a.match: [] is empty"),
    "a list that is a word": (
        "everyone: {sizes: small}",
        "everyone.sizes: 'small' is no list: write [a, b]",
    ),
    "a group whose name is taken by its direct members": (
        "groups: {a/: {}}",
        "groups.a/: 'a/' cannot be a group's name: write text that does not end with '/'",
    ),
    "a group without a name": ("groups: {'': {}}", "groups.'': '' cannot be a group's name"),
    "an end that is no day": (
        "closed: [{node: n, why: fan, until: 2026-13-45}]",
        "closed[0].until: '2026-13-45' is no day of the calendar",
    ),
    "an end without its zone": (
        "closed: [{node: n, why: fan, until: 2026-12-14 18:00}]",
        "closed[0].until: '2026-12-14 18:00' is no end: write a day, which is included",
    ),
    "a list for a document": ("- pools", "line 1: the document: is no mapping: write sections"),
    "two documents": ("pools: {}\n---\nsizes: {}\n", "line 2: the document: begins a second"),
    "no YAML at all": ("pools: {\n  p: }}\n", "line 2: the document: is no YAML:"),
    "a tab": ("pools:\n\tp: {}\n", "line 2: the document: is no YAML:"),
    "a control character": ("pools:\n  p: '\x07'\n", "line 2: the document: has a character"),
    "another encoding": (
        "groups:\n  zoë: {}\n".encode("latin-1"),
        "line 2: the document: is not UTF-8 text",
    ),
    "an anchor": ("pools: {p: &a {lend: true}}", "pools.p: has an anchor (&a): leave it out"),
    "an alias": (
        "pools:\n  p: &a {}\n  q: *a\n",
        "line 3: pools.q: is an alias (*a): write the value itself",
    ),
    "a merge of an alias": ("pools: {p: {<<: *a}}", "is an alias (*a)"),
    "an alias for a key": ("pools: {*a : 1}", "is an alias (*a)"),
    "a tag that runs code": (
        "groups: !!python/object/apply:os.system ['true']",
        "groups: has a tag (tag:yaml.org,2002:python/object/apply:os.system): leave it out",
    ),
    "a tag that does not": ("groups: {!!str a : {}}", "has a tag"),
    "a key twice": (
        "pools:\n  p: {}\n  p: {lend: false}\n",
        "line 3: pools.p: is there twice (first in line 2): keep one",
    ),
    "a section twice": ("groups: {}\ngroups: {}\n", "line 2: groups: is there twice"),
    "a key that is a list": ("pools: {[a]: {}}", "pools: has a key that is no text"),
    "deep nesting": ("pools: " + "[" * 100_000, "is nested deeper than 32 levels"),
    "a deep mapping": ("{a: " * 500, "is nested deeper than 32 levels"),
    "too long": ("#" * (1024 * 1024 + 1), "is 1048577 bytes long: at most 1048576 are read"),
    "an integer beyond all sense": (
        "groups: {g: {weight: " + "9" * 6000 + "}}",
        "groups.g.weight: '9999",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_document_says_line_key_what_is_wrong_and_what_is_allowed(name: str) -> None:
    text, expected = CASES[name]
    found = problems_of(text)
    assert any(expected in problem for problem in found), found
    assert len(found) == len(set(found))


def test_all_problems_are_told_at_once_in_the_order_of_their_lines() -> None:
    found = problems_of(
        """
        pools:
          - {name: fast, lend: perhaps}
        sizes:
          - {name: a, memory: 1/4, compute: 9, pool: fast}
          - {name: b, memory: 1/4, compute: 1/4, pool: slow}
        groups:
          lab: {sizes: [a, b, c]}
          lab: {}
        """
    )
    assert [problem.split(":")[1].strip() for problem in found] == [
        "pools.fast.lend",
        "sizes.a.compute",
        "sizes.b.pool",
        "groups.lab.sizes[2]",
        "groups.lab",
    ]


@pytest.mark.parametrize(
    "text",
    [
        """
        pools: {fast: {lend: perhaps}}
        sizes: {a: {memory: 1/4, compute: 1, pool: fast}}
        """,
        """
        pools: [{name: a, default: true, lend: perhaps}, {name: b, types: []}]
        """,
        """
        groups: {lab: {weight: heavy}}
        exceptions: [{groups: [lab], set: {weight: 2}, why: x}]
        """,
        """
        gpu_types: {L4: {match: L4, rate: high}}
        groups: {lab: {guaranteed: {L4: 2}}}
        """,
    ],
)
def test_an_entry_that_is_wrong_in_itself_may_still_be_named_by_others(text: str) -> None:
    assert len(problems_of(text)) == 1


def test_of_a_text_that_is_no_yaml_nothing_else_is_told() -> None:
    assert len(problems_of("groups: {lab: {sizes: [none-such]}}\npools: }}\n")) == 1


def test_the_error_lists_every_problem_for_the_log() -> None:
    with pytest.raises(QuotaDocumentError, match=r"2 problems:\n  line 1: a: .*\n  line 1: b: "):
        read_quota_document("{a: 1, b: 2}")


def test_a_bomb_of_aliases_is_refused_without_being_unfolded() -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    tracemalloc.start()
    try:
        with pytest.raises(QuotaDocumentError, match="is an alias"):
            read_quota_document(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_key_is_shown_on_one_line_and_not_at_full_length() -> None:
    assert problems_of('"a\\nb\\x7f": 1')[0].startswith("line 1: a_b_: has a character")
    assert len(problems_of("x" * 5000 + ": 1")[0]) < 300


def test_a_list_with_a_wrong_entry_is_not_called_empty_too() -> None:
    assert problems_of("gpu_types: {H100: {match: ['']}}") == [
        "line 1: gpu_types.H100.match[0]: '' is empty: write at least one character"
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("everyone: {limit: {cards: many}}\n", (1, 20)),
        ("pools:\n  - {name: p}\n  - name: p\n", (3, None)),
        ("pools:\n  - name: p\n    lend: perhaps\n", (3, 5)),
        ("everyone: &a {limit: {cards: 1}}\n", (1, 11)),
        ("everyone:\n  limit: {cards: 1}\n  limit: {cards: 2}\n", (3, 3)),
        ("everyone: {limit: \x07}\n", (1, 19)),
        ("groups:\n  \u00fc: {weight: x}\n", (2, 7)),
        ("sizes: [\n", (2, 1)),
    ],
)
def test_a_problem_has_its_column(text: str, place: tuple[int, int | None]) -> None:
    with pytest.raises(QuotaDocumentError) as refused:
        read_quota_document(text)
    problem = refused.value.problems[0]
    assert (problem.line, problem.column) == place, problem
