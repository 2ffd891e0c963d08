"""Whatever is given as a quota document, and however much: nothing but its own error is raised."""

from contextlib import suppress

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.document.section import Section

from tests.support.quota_documents import problems_of

SECTIONS = [each for each in Section.__subclasses__() if each is not QuotaDocument]


def test_of_very_many_problems_the_first_are_told_and_how_many_more_there_are() -> None:
    groups = "".join(f"  group{n}: {{weight: -1}}\n" for n in range(1000))
    found = problems_of("groups:\n" + groups)
    assert found[0].startswith("line 2: groups.group0.weight: -1 is too small")
    assert found[-1] == "line 202: the document: has 800 more problems from here on"
    assert len(found) == 201


def test_many_names_that_are_not_there_are_no_work_without_end() -> None:
    assert len(problems_of("everyone: {sizes: [" + "nothing, " * 50_000 + "]}")) == 201


def test_no_more_than_a_hundred_problems_of_yaml_are_gathered() -> None:
    assert len(problems_of("a: 1\n" * 10_000)) <= 110


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
@example("sizes: {s: {for_: 5}}")
def test_arbitrary_text_never_raises_anything_but_the_documents_error(text: str | bytes) -> None:
    only_the_documents_error(text)


words = st.sampled_from(
    [
        *QuotaDocument.model_fields,
        *(key for each in SECTIONS for key in each.model_fields),
        "users",
        "gpus",
        "each_member",
        "most_slices",
        "compute",
        "name",
        "for",
        "set",
        "H100",
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
