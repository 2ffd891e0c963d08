"""A wrong quota document: each problem has its line, its key, what is wrong, what is allowed."""

import tracemalloc
from contextlib import suppress
from textwrap import dedent

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(QuotaDocumentError) as caught:
        read_quota_document(dedent(text) if isinstance(text, str) else text)
    return [str(problem) for problem in caught.value.problems]


CASES = {
    "a key that nobody knows": (
        "pools:\n  fast:\n    memory_overcomit: 2\n",
        (
            "line 3: pools.fast.memory_overcomit: is no known key "
            "(did you mean 'memory_overcommit'?): known here are gpus,"
        ),
    ),
    "a key by the name it has in the code": (
        "pools: {p: {turn: 60}}",
        "line 1: pools.p.turn: is no known key (did you mean 'turn_s'?)",
    ),
    "a section that nobody knows": (
        "pool: {}",
        "line 1: pool: is no known key (did you mean 'pools'?)",
    ),
    "a key below a list": (
        "pools:\n  p:\n    gpus:\n      type: ['*']\n",
        "line 4: pools.p.gpus.type: is no known key (did you mean 'types'?): known here are types,",
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
        "pools: {p: {turn_s: 1000d}}",
        "pools.p.turn_s: '1000d' is longer than 366 days",
    ),
    "less than everything": (
        "pools: {p: {memory_overcommit: 0.5}}",
        "pools.p.memory_overcommit: 0.5 is no factor: write a number from 1 to 100",
    ),
    "an overcommit that is no number": (
        "pools: {p: {compute_overcommit: .nan}}",
        "pools.p.compute_overcommit: '.nan' is no factor",
    ),
    "memory of a size in a unit that is none": (
        "sizes: {s: {memory: 20 GB, compute: 1}}",
        "sizes.s.memory: '20 GB' is no amount of memory: write '40 GiB', '512 MiB' or a part",
    ),
    "a size of nothing": ("sizes: {s: {memory: 0, compute: 1}}", "sizes.s.memory: 0 is no memory"),
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
        "sizes.s.compute: 2 is no part of one GPU: write from '1m' to '1000m'",
    ),
    "a size without memory": (
        "sizes:\n  s:\n    compute: 1\n",
        "line 2: sizes.s.memory: is missing: every size needs it",
    ),
    "a size that is a word": ("sizes: {s: big}", "sizes.s: 'big' is no mapping: write one with"),
    "a name with a slash": (
        "pools: {a/b: {}}",
        "pools.a/b: 'a/b' cannot be a name: write at most 63 letters",
    ),
    "pools whose order nobody can tell": (
        "pools:\n  fast: {}\n  slow: {}\n",
        "line 3: pools: has several entries, of which the first counts, and a mapping has no order",
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
        "users: {ada: {limit: {memory: -1}}}",
        "users.ada.limit.memory: -1 is no limit of memory: write '40 GiB'",
    ),
    "a number of slices that is none": (
        "everyone: {most_slices: many}",
        "everyone.most_slices: 'many' is no limit of a number: write 0, 1, 2",
    ),
    "a weight of nothing": ("users: {ada: {weight: 0}}", "users.ada.weight: 0 is too small"),
    "a list that is a word": (
        "users: {ada: {sizes: small}}",
        "users.ada.sizes: 'small' is no list: write [a, b]",
    ),
    "a size in a pool that is not there": (
        "sizes:\n  s:\n    memory: 1/2\n    compute: 1\n    pool: interactve\n",
        (
            "line 5: sizes.s.pool: names 'interactve', which is not in `pools` "
            "(did you mean 'interactive'?): there are interactive"
        ),
    ),
    "a user with a size that is not there": (
        "users:\n  ada:\n    sizes:\n    - small\n    - smal\n",
        (
            "line 5: users.ada.sizes[1]: names 'smal', which is not in `sizes` "
            "(did you mean 'small'?): there are small, medium, large, whole"
        ),
    ),
    "a size called as if there was none": (
        "sizes:\n  none: {memory: 1/2, compute: 1}\n",
        "line 2: sizes.none: cannot be a size's name: who asks for 'none' gets no GPU",
    ),
    "a default that is not there": (
        "default_size: tiny",
        "default_size: names 'tiny', which is not in `sizes`",
    ),
    "a guarantee in a pool that is not there": (
        "groups: {lab: {guaranteed: {memory: 1 GiB, pool: x}}}",
        "groups.lab.guaranteed.pool: names 'x', which is not in `pools`",
    ),
    "a guarantee above the limit": (
        "groups:\n  lab:\n    limit: {memory: 40 GiB}\n    guaranteed:\n      memory: 41 GiB\n",
        "line 5: groups.lab.guaranteed.memory: guarantees 41 GiB, above the limit of 40 GiB",
    ),
    "a list for a document": ("- pools", "line 1: the document: is no mapping: write sections"),
    "two documents": ("pools: {}\n---\nsizes: {}\n", "line 2: the document: begins a second"),
    "no YAML at all": ("pools: {\n  p: }}\n", "line 2: the document: is no YAML:"),
    "a tab": ("pools:\n\tp: {}\n", "line 2: the document: is no YAML:"),
    "a control character": ("pools:\n  p: '\x07'\n", "line 2: the document: has a character"),
    "another encoding": (
        "users:\n  zoë: {}\n".encode("latin-1"),
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
        "users: !!python/object/apply:os.system ['true']",
        "users: has a tag (tag:yaml.org,2002:python/object/apply:os.system): leave it out",
    ),
    "a tag that does not": ("default_size: !!str small", "default_size: has a tag"),
    "a key twice": (
        "pools:\n  p: {}\n  p: {lend: false}\n",
        "line 3: pools.p: is there twice (first in line 2): keep one",
    ),
    "a section twice": ("users: {}\nusers: {}\n", "line 2: users: is there twice"),
    "a key that is a list": ("pools: {[a]: {}}", "pools: has a key that is no text"),
    "deep nesting": ("pools: " + "[" * 100_000, "is nested deeper than 10 levels"),
    "a deep mapping": ("{a: " * 500, "is nested deeper than 10 levels"),
    "too long": ("#" * (1024 * 1024 + 1), "is 1048577 bytes long: at most 1048576 are read"),
    "an integer beyond all sense": (
        "users: {ada: {weight: " + "9" * 6000 + "}}",
        "users.ada.weight: '9999",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_document_says_line_key_what_is_wrong_and_what_is_allowed(name: str) -> None:
    text, expected = CASES[name]
    found = problems(text)
    assert any(expected in problem for problem in found), found
    assert len(found) == len(set(found))


def test_all_problems_are_told_at_once_in_the_order_of_their_lines() -> None:
    found = problems(
        """
        pools:
          fast: {lend: perhaps}
        sizes:
          a: {memory: 1/4, compute: 9, pool: fast}
          b: {memory: 1/4, compute: 1/4, pool: slow}
        users:
          ada: {sizes: [a, b, c]}
          ada: {}
        """
    )
    assert [problem.split(":")[1].strip() for problem in found] == [
        "pools.fast.lend",
        "sizes.a.compute",
        "sizes.b.pool",
        "users.ada.sizes[2]",
        "users.ada",
    ]


def test_an_entry_that_is_wrong_in_itself_may_still_be_named_by_others() -> None:
    found = problems(
        """
        pools: {fast: {lend: perhaps}}
        sizes: {a: {memory: 1/4, compute: 1, pool: fast}}
        """
    )
    assert len(found) == 1


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


def test_of_very_many_problems_the_first_are_told_and_how_many_more_there_are() -> None:
    users = "".join(f"  user{n}: {{weight: 0}}\n" for n in range(1000))
    found = problems("users:\n" + users)
    assert found[0].startswith("line 2: users.user0.weight: 0 is too small")
    assert found[-1] == "line 202: the document: has 800 more problems from here on"
    assert len(found) == 201


def test_many_names_that_are_not_there_are_no_work_without_end() -> None:
    assert len(problems("everyone: {sizes: [" + "nothing, " * 50_000 + "]}")) == 201


def test_a_key_is_shown_on_one_line_and_not_at_full_length() -> None:
    assert problems('"a\\nb\\x7f": 1')[0].startswith(r"line 1: 'a\nb\x7f': is no known key")
    assert len(problems("x" * 5000 + ": 1")[0]) < 300


def test_no_more_than_a_hundred_problems_of_yaml_are_gathered() -> None:
    assert len(problems("a: 1\n" * 10_000)) <= 110


def only_the_documents_error(text: str | bytes) -> None:
    with suppress(QuotaDocumentError):
        assert isinstance(read_quota_document(text), QuotaDocument)


@settings(max_examples=300)
@given(st.text(max_size=200) | st.binary(max_size=200))
@example("\ud800")
@example("\x00")
@example("? : :")
@example("%YAML 9.9\n---\n")
@example("%TAG ! !\n%TAG ! !\n--- {}")
@example("'")
@example("|\n \t")
@example("{pools: {'': {}}}")
@example("pools: {p: {turn: 5}}")
def test_arbitrary_text_never_raises_anything_but_the_documents_error(text: str | bytes) -> None:
    only_the_documents_error(text)


words = st.sampled_from(
    [
        "pools",
        "sizes",
        "users",
        "groups",
        "everyone",
        "fair_share",
        "default_size",
        "gpus",
        "types",
        "memory",
        "compute",
        "limit",
        "guaranteed",
        "each_member",
        "lend",
        "idle_after",
        "most_slices",
        "interactive",
        "small",
        "pool",
        "weight",
        "keep_a_day",
        "half_life",
        "title",
    ]
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    words,
    st.text(max_size=8),
    st.sampled_from(["1/4", "40 GiB", "10m", "unlimited", "1/0", "100%", "1e999", "0x10", "-0"]),
)
nodes = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(words | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=300)
@given(st.dictionaries(words, nodes, max_size=6))
def test_arbitrary_values_in_known_places_never_raise_anything_else(value: object) -> None:
    only_the_documents_error(yaml.safe_dump(value, allow_unicode=True))
