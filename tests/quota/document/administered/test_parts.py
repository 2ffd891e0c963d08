"""The part of a document that an admin of groups is shown, and what comes of it when it is sent."""

from copy import deepcopy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.document.administered.parts import (
    DoesNotFitError,
    NoPartError,
    part_of,
    part_text,
    with_part,
)
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.reading import read_quota_document
from sublet_quota.document.text.tree import read_tree
from sublet_quota.document.text.written_values import with_value_of, written
from sublet_quota.names.ids import GroupName

NLP, SCIENCE, GUESTS = GroupName("nlp"), GroupName("science"), GroupName("guests")
TEXT = """\
# canary: about all
gpu_types: {H100: {match: "*H100*"}}
sizes:
  - {name: small, memory: 1/4, compute: 1/4}
  - {name: whole, memory: 1, compute: 1, for: [guests, nlp]}
groups:
  institute:  # canary: above
    guaranteed: {H100: 8}
    limit: {H100: 9}
    groups:
      science:
        guaranteed: {H100: 6}   # own
        groups:
          nlp:
            members: [hub-nlp]
            guaranteed: {H100: 4}
          # canary: between
          vision: {members: [hub-v]}
      # canary: about the next
      physics:
        guaranteed: {H100: 2}
  guests: {limit: {cards: 1}, groups: {g1: {}, g2: {}}}
exceptions:
  - {who: [user-17], set: {limit: {cards: 4}}, why: canary}   # canary
  - groups: [nlp]
    set: {weight: 2}
    why: a paper
reservations:
  - {name: canary, for: physics, guaranteed: {H100: 1}, at: "Tue 14:00-16:00"}
"""
DOCUMENT = read_quota_document(TEXT)


def part(*groups: GroupName) -> dict[str, Any]:
    return part_of(DOCUMENT, TEXT, groups)


def sent(values: Any, *groups: GroupName) -> str:
    return with_part(DOCUMENT, TEXT, groups or (SCIENCE,), written(values)).text


def test_a_part_has_the_groups_with_all_below_and_their_exceptions_and_nothing_of_others() -> None:
    assert part(SCIENCE) == {
        "groups": {
            "science": {
                "guaranteed": {"H100": 6},
                "groups": {
                    "nlp": {"members": ["hub-nlp"], "guaranteed": {"H100": 4}},
                    "vision": {"members": ["hub-v"]},
                },
            }
        },
        "exceptions": [{"groups": ["nlp"], "set": {"weight": 2}, "why": "a paper"}],
    }
    # What is for the group itself is not below it.
    assert set(part(NLP)) == {"groups"}
    assert "canary" not in part_text(part(SCIENCE))


def test_a_part_as_it_is_shown_changes_nothing_not_even_a_comment() -> None:
    for groups in ((SCIENCE,), (NLP,), (GUESTS, SCIENCE)):
        made = with_part(DOCUMENT, TEXT, groups, part_text(part(*groups)))
        assert (made.text, made.document) == (TEXT, DOCUMENT)
        assert made.groups == tuple(sorted(groups))


def test_what_is_not_below_stays_as_it_was_written() -> None:
    values = part(SCIENCE)
    values["groups"]["science"]["groups"]["nlp"]["weight"] = 3
    values["groups"]["science"]["groups"]["new"] = {"members": []}
    text = sent(values)
    assert text == TEXT.replace(
        """\
          nlp:
            members: [hub-nlp]
            guaranteed: {H100: 4}
          # canary: between
          vision: {members: [hub-v]}
""",
        """\
          nlp:
            members:
            - hub-nlp
            guaranteed:
              H100: 4
            weight: 3
          vision:
            members:
            - hub-v
          new:
            members: []
""",
    )
    for comment in ("about all", "above", "# own", "about the next", "canary}   # canary"):
        assert comment in text


def test_what_is_written_in_one_line_is_changed_in_it() -> None:
    values = part(GUESTS)
    values["groups"]["guests"]["groups"]["g1"] = {"weight": 2}
    text = sent(values, GUESTS)
    assert "  guests: {limit: {cards: 1}, groups: {g1: {weight: 2}, g2: {}}}\n" in text
    assert text.count("\n") == TEXT.count("\n")


def test_groups_and_exceptions_come_and_go_where_there_were_none() -> None:
    values = part(SCIENCE)
    values["groups"]["science"].pop("groups")
    values.pop("exceptions")
    fewer = TEXT.replace("[guests, nlp]", "[guests]")
    document = read_quota_document(fewer)
    made = with_part(document, fewer, (SCIENCE,), yaml.safe_dump(values))
    assert made.document.all_groups[SCIENCE].groups == {}
    assert "user-17" in made.text
    again = with_part(made.document, made.text, (SCIENCE,), part_text(part(SCIENCE)))
    assert again.document == document


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ([], ("groups",)),
        ("text", ("groups",)),
        (None, ("groups",)),
        ({}, ("groups",)),
        ({"groups": {}}, ("groups",)),
        ({"groups": ["science"]}, ("groups",)),
        ({"groups": {"physics": {}}}, ("physics",)),
        ({"groups": {"institute": {}}}, ("institute",)),
        ({"groups": {"science": {}, "nlp": {}}}, ("nlp",)),
        ({"groups": {"science": {}}, "everyone": {}, "pools": []}, ("everyone", "pools")),
        ({"groups": {"science": {}}, "exceptions": {"who": []}}, ("exceptions",)),
    ],
)
def test_what_is_no_part_is_refused_with_the_keys_that_are_wrong(
    values: Any, wrong: tuple[str, ...]
) -> None:
    with pytest.raises(NoPartError) as error:
        sent(values)
    assert sorted(error.value.args) == sorted(wrong)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("groups: {science: {groups: {nlp: {weight: -1}}}}", "line 1: groups.science.groups.nlp"),
        ("groups:\n  science:\n    weigth: 1", "line 3: groups.science.weigth"),
        ("groups: {science: &a {}}", "anchor"),
        ("groups: {science: {}, science: {}}", "twice"),
        ("groups: {science: {}}\nexceptions: [{groups: [nlpp], set: {weight: 1}, why: x}]", "nlpp"),
        (
            "groups: {science: {groups: {nlp: {guaranteed: {H100: 1}}}}}",
            "guarantees 0 cards, less than the groups in it together",
        ),
        ("groups: {science: {guaranteed: {H100: 20}, groups: {nlp: {sizes: [tiny]}}}}", "tiny"),
        ("a: [", "no YAML"),
    ],
)
def test_what_is_wrong_in_a_part_is_told_by_its_own_lines_without_what_others_have(
    text: str, told: str
) -> None:
    with pytest.raises(QuotaDocumentError) as error:
        with_part(DOCUMENT, TEXT, (SCIENCE,), text)
    words = " ".join(map(str, error.value.problems))
    assert told in words
    for others in ("physics", "institute", "canary", "guests", "user-17"):
        assert others not in words


@pytest.mark.parametrize(
    "values",
    [
        # A name of others' that the author does not see; a limit above the group.
        {"groups": {"science": {"guaranteed": {"H100": 6}, "groups": {"physics": {}, "nlp": {}}}}},
        {"groups": {"science": {"guaranteed": {"H100": 10}, "groups": {"nlp": {}}}}},
    ],
)
def test_that_a_part_does_not_fit_is_told_without_the_reason(values: dict[str, Any]) -> None:
    with pytest.raises(DoesNotFitError) as error:
        sent(values)
    assert "H100" not in str(error.value)
    assert "institute" not in str(error.value)


WORDS = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", "-.inf", ".nan"]
NUMBERS = ["0o7", "017", "1_000", "0x1f", "0b1", "1e3", "1.", ".5", "+1", "12:30:45", "1:30"]
SIGNS = ["~", "=", "<<", "?", "? a", "what? yes", "-", "- a", ":", "a: b", "a #b", "!x", "&x", "*x"]
DAYS = ["2026-12-02", "2026-12-02 10:00:00", "2026-12-02T10:00:00Z"]
look_alikes = st.one_of(
    st.sampled_from(WORDS).flatmap(
        lambda word: st.lists(st.booleans(), min_size=len(word), max_size=len(word)).map(
            lambda upper: "".join(
                each.upper() if up else each for each, up in zip(word, upper, strict=True)
            )
        )
    ),
    st.sampled_from([*NUMBERS, *SIGNS, *DAYS]),
)
scalars = st.one_of(
    look_alikes,
    st.none(),
    st.booleans(),
    st.integers(-(10**17), 10**17),
    st.decimals(-1000, 1000, places=6, allow_nan=False).map(float),
    st.sampled_from(["1/4", "no", "1:30", "2026-12-02", "1e5", "#x", " a", "'", "0x1f", "~", "é"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["C"])),
)
plain = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(st.characters(codec="ascii", categories=["L", "N"])), inner),
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(look_alikes)
def test_a_text_that_some_yaml_takes_for_more_stays_a_text(text: str) -> None:
    for in_one_line in (False, True):
        said = written({"k": text, text: [text]}, in_one_line=in_one_line)
        tree = read_tree(said)
        assert (tree.value, tree.problems) == ({"k": text, text: [text]}, [])
        # What reads it by YAML's own rules, as other programs do.
        assert yaml.safe_load(said)["k"] == text


@settings(max_examples=300)
@given(plain)
def test_whatever_is_written_is_read_as_the_same(value: Any) -> None:
    for in_one_line in (False, True):
        tree = read_tree(written({"k": value}, in_one_line=in_one_line))
        assert (tree.value, tree.problems) == ({"k": value}, [])


@settings(max_examples=200)
@given(
    st.sampled_from([("groups", "science", "groups"), ("exceptions",), ("new",), ("groups", "g")]),
    plain,
    st.sampled_from(["block", "flow"]),
)
def test_a_value_that_is_replaced_in_a_text_leaves_the_others_as_they_are(
    path: tuple[str, ...], value: Any, style: str
) -> None:
    values: dict[str, Any] = {
        "everyone": {"limit": {"cards": 2}},
        "groups": {"science": {"weight": 2, "groups": {"a": {"weight": 1}}}, "g": None},
        "exceptions": [{"why": "x"}],
    }
    text = "# first\n" + written(values, in_one_line=style == "flow") + "\n# last\n"
    wanted = deepcopy(values)
    around = wanted
    for key in path[:-1]:
        around = around[key]
    if value:
        around[path[-1]] = value
    else:
        around.pop(path[-1], None)
    made = with_value_of(text, path, wanted)
    assert made is not None
    assert read_tree(made).value == wanted
    assert made.startswith("# first\n")
    assert made.endswith("# last\n")
