"""What one person may have: each group by itself for what it pays, and of all the most."""

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.rights import (
    DEFAULT_KEEP_A_DAY,
    DEFAULT_MAX_RUN,
    DEFAULT_MOST_JOBS,
    DEFAULT_MOST_SLICES,
    PersonLimit,
    Rights,
    max_idle_of,
    rights_of,
)
from sublet_quota.shares.limits import Limit

from tests.support.quota_documents import document, problems_of

DOCUMENT = document(
    """
    sizes:
      - {name: small, memory: 1/4, compute: 1/4}
      - {name: large, memory: 1/2, compute: 1/2}
      - {name: whole, memory: 1, compute: 1, for: [science]}
    everyone: {limit: {memory: 10 GiB, slices: 1}, keep_a_day: 1h, sizes: [small], jobs: {most: 3}}
    groups:
      science:
        each: {limit: {memory: 40 GiB, L4: 2}}
        sizes: [small, large]
        types: [L4]
        jobs: {max_run: 48h}
        groups:
          nlp: {each: {limit: {slices: 3}}, jobs: {types: [H100]}}
          bio: {}
      course: {each: {limit: {memory: 20 GiB, slices: 2}, jobs: {most: 0}}}
      free: {each: {limit: {memory: unlimited, slices: unlimited}, keep_a_day: 2h}}
      silent: {own_amounts: true}
    exceptions:
      - {who: [ada], set: {limit: {memory: 5 GiB}, sizes: [whole], jobs: {types: [A100]}}, why: x}
      - {who: [ada, bob], set: {limit: {memory: 7 GiB}}, why: y}
    """
)


def limits(rights: Rights) -> tuple[int | None, int | None, int | None]:
    return (
        rights.limit.memory.value,
        rights.limit.slices.value,
        rights.jobs_most.value,
    )


GIB = 1024


@dataclass(frozen=True)
class Case:
    owner: str
    groups: tuple[str, ...]
    memory: int | None
    slices: int | None
    jobs: int | None


CASES = {
    "who is in no group has what everyone has": Case("eve", (), 10 * GIB, 1, 3),
    "a group goes before everyone, key by key": Case("eve", ("science",), 40 * GIB, 1, 3),
    "a group that is silent says what those above it say": Case("eve", ("bio",), 40 * GIB, 1, 3),
    "the nearest that speaks goes before": Case("eve", ("nlp",), 40 * GIB, 3, 3),
    "a course alone allows what it says": Case("eve", ("course",), 20 * GIB, 2, 0),
    "a further group takes nothing away": Case("eve", ("course", "science"), 40 * GIB, 2, 3),
    "no limit is the most": Case("eve", ("course", "free"), None, None, 3),
    "groups that the document does not know say nothing": Case("eve", ("x",), 10 * GIB, 1, 3),
    "exceptions go before all, of two the more generous": Case("ada", ("free",), 7 * GIB, None, 3),
    "an exception leaves what it does not say": Case("bob", ("course",), 7 * GIB, 2, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_what_one_person_may_have(name: str) -> None:
    case = CASES[name]
    rights = rights_of(DOCUMENT, case.owner, case.groups)
    assert limits(rights) == (case.memory, case.slices, case.jobs)


def test_a_course_without_jobs_takes_nothing_from_who_has_them_in_a_lab() -> None:
    both = document(
        """
        groups:
          lab: {}
          course: {each: {limit: {memory: 10 GiB, slices: 1}, jobs: {most: 0}}}
        """
    )
    alone, with_course = (rights_of(both, "eve", g) for g in (["lab"], ["lab", "course"]))
    assert limits(with_course) == limits(alone) == (None, 4, 20)


def test_a_limit_that_one_group_does_not_know_is_none() -> None:
    assert rights_of(DOCUMENT, "eve", ["nlp"]).limit.limit.types == {"L4": Fraction(2)}
    assert rights_of(DOCUMENT, "eve", ["nlp", "silent"]).limit.limit.types == {}


def test_there_is_one_payer_for_each_group_and_one_for_who_is_in_none() -> None:
    assert [p.group for p in rights_of(DOCUMENT, "eve", ["nlp", "course"]).payers] == [
        "course",
        "nlp",
    ]
    assert [p.group for p in rights_of(DOCUMENT, "eve", []).payers] == [None]
    with pytest.raises(KeyError, match="is in no group 'nlp'"):
        rights_of(DOCUMENT, "eve", []).payer("nlp")


@pytest.mark.parametrize(
    ("owner", "groups", "sizes"),
    [
        ("eve", (), {"small"}),
        ("eve", ("course",), {"small"}),
        ("eve", ("science",), {"small", "large", "whole"}),
        ("eve", ("bio",), {"small", "large", "whole"}),
        ("ada", ("course",), {"whole"}),
        ("ada", ("bio",), {"whole"}),
    ],
)
def test_sizes_are_those_named_and_those_for_the_payer_or_above_it(
    owner: str, groups: tuple[str, ...], sizes: set[str]
) -> None:
    assert rights_of(DOCUMENT, owner, groups).payers[0].sizes.value == sizes


def test_sizes_that_everyone_may_pick_close_none_that_are_for_a_group() -> None:
    text = """
        sizes:
          - {name: small, memory: 1/4, compute: 1/4}
          - {name: whole, memory: 1, compute: 1, for: [staff]}
        everyone: {sizes: [small]}
        groups: {staff: {}, students: {}}
        """
    read = document(text)
    assert rights_of(read, "eve", ["staff"]).payers[0].sizes.value == {"small", "whole"}
    assert rights_of(read, "eve", ["students"]).payers[0].sizes.value == {"small"}
    unsaid = document(text.replace("everyone: {sizes: [small]}", ""))
    assert rights_of(unsaid, "eve", ["staff"]).payers[0].sizes.value is None
    assert rights_of(unsaid, "eve", ["students"]).payers[0].sizes.value == {"small"}


def test_types_and_rules_for_jobs_are_the_payers() -> None:
    rights = rights_of(DOCUMENT, "eve", ["nlp", "course"])
    nlp, course = rights.payer("nlp"), rights.payer("course")
    assert (nlp.types.value, nlp.job_types.value) == ({"L4"}, {"H100"})
    assert nlp.job_max_run.value == timedelta(hours=48)
    assert (course.types.value, course.job_types.value) == (None, None)
    assert course.job_max_run.value == DEFAULT_MAX_RUN
    assert rights_of(DOCUMENT, "ada", ["nlp"]).payers[0].job_types.value == {"A100"}


def test_own_amounts_are_for_who_may_pick_any_size_unless_somebody_says_so() -> None:
    assert rights_of(document(), "eve", []).payers[0].own_amounts.value
    assert not rights_of(DOCUMENT, "eve", ["course"]).payers[0].own_amounts.value
    assert rights_of(DOCUMENT, "eve", ["silent"]).payers[0].own_amounts.value


def test_an_empty_document_limits_how_many_but_not_how_much() -> None:
    rights = rights_of(document(), "eve", ("any",))
    assert rights.limit.limit == Limit(slices=DEFAULT_MOST_SLICES)
    assert rights.jobs_most.value == DEFAULT_MOST_JOBS
    assert rights.keep_a_day.value == DEFAULT_KEEP_A_DAY
    assert str(rights.keep_a_day.source) == "when nobody says"
    assert rights.job_limit is None


def test_each_right_names_the_line_that_says_it() -> None:
    rights = rights_of(DOCUMENT, "bob", ["nlp"])
    assert str(rights.limit.memory.source) == "exceptions[1].set.limit.memory (line 21)"
    assert (
        str(rights.limit.slices.source) == "groups.science.groups.nlp.each.limit.slices (line 14)"
    )
    assert str(rights.limit.types["L4"].source) == "groups.science.each.limit.L4 (line 9)"
    assert str(rights.payer("nlp").sizes.source) == "groups.science.sizes (line 10)"
    assert str(rights.jobs_most.source) == "everyone.jobs.most (line 6)"


JOBS = """
everyone: {limit: {cards: 2}}
groups:
  lab: {each: {limit: {cards: 10}}}
  course: {each: {limit: {cards: 1}, jobs: {limit: {cards: 4}}}}
"""


@pytest.mark.parametrize(
    ("groups", "cards"),
    [
        ((), None),
        (("lab",), None),
        (("course",), Fraction(4)),
        # Who might run ten cards of jobs by the lab may still.
        (("lab", "course"), Fraction(10)),
    ],
)
def test_jobs_have_limits_of_their_own_where_somebody_says_so(
    groups: tuple[str, ...], cards: Fraction | None
) -> None:
    job_limit = rights_of(document(JOBS), "eve", groups).job_limit
    assert (None if job_limit is None else job_limit.cards.value) == cards


def test_how_many_slices_when_nobody_says_is_of_notebooks_alone() -> None:
    assert rights_of(document(), "eve", []).limit_with_jobs.slices.value is None
    said = rights_of(document("everyone: {limit: {slices: 3}}"), "eve", [])
    assert said.limit_with_jobs.slices.value == 3


names = st.sampled_from([f"g{n}" for n in range(6)])
cards = st.one_of(st.none(), st.integers(0, 9), st.just("unlimited"))


@st.composite
def trees(draw: st.DrawFn) -> QuotaDocument:
    """A tree of six groups, any of which says anything."""

    def limit() -> dict[str, Any]:
        said = {"H100": draw(cards), "cards": draw(cards), "slices": draw(cards)}
        return {key: value for key, value in said.items() if value is not None}

    def person() -> dict[str, Any]:
        made: dict[str, Any] = {"limit": limit(), "jobs": {"limit": limit()}}
        most, keep = draw(cards), draw(st.one_of(st.none(), st.integers(0, 9)))
        if most is not None:
            made["jobs"]["most"] = most
        if keep is not None:
            made["keep_a_day"] = keep
        idle = draw(st.sampled_from([None, "1h", "8h", "unlimited"]))
        if idle is not None:
            made["max_idle"] = idle
        if not made["jobs"]["limit"]:
            del made["jobs"]["limit"]
        return made

    tree: dict[str, Any] = {}
    places = [tree]
    for n in range(6):
        group: dict[str, Any] = {"each": person(), "groups": {}}
        draw(st.sampled_from(places))[f"g{n}"] = group
        places.append(group["groups"])
    said: dict[str, Any] = {"groups": tree, "everyone": person()}
    if draw(st.booleans()):
        said["exceptions"] = [{"who": ["eve"], "set": person(), "why": "x"}]
    return QuotaDocument.model_validate(said)


def at_least(more: Any, less: Any) -> bool:
    return more is None or (less is not None and more >= less)


def limit_at_least(more: PersonLimit, less: PersonLimit) -> bool:
    types = {*more.types, *less.types}
    return (
        at_least(more.cards.value, less.cards.value)
        and at_least(more.slices.value, less.slices.value)
        and all(at_least(more.limit.types.get(each), less.limit.types.get(each)) for each in types)
    )


@given(trees(), st.sets(names, min_size=1), names)
def test_a_further_group_never_takes_anything_away(
    tree: QuotaDocument, groups: set[str], further: str
) -> None:
    before = rights_of(tree, "eve", groups)
    after = rights_of(tree, "eve", {*groups, further})
    assert limit_at_least(after.limit, before.limit)
    assert at_least(after.jobs_most.value, before.jobs_most.value)
    assert after.keep_a_day.value >= before.keep_a_day.value
    assert at_least(after.max_idle.value, before.max_idle.value)
    # Jobs that counted into the limit of all do so still, or have as much for themselves.
    if after.job_limit is not None:
        assert limit_at_least(after.job_limit, before.job_limit or before.limit)
    assert set(before.payers) <= set(after.payers)


@given(trees(), st.permutations([f"g{n}" for n in range(6)]))
def test_the_order_of_the_persons_groups_does_not_matter(
    tree: QuotaDocument, groups: list[str]
) -> None:
    assert rights_of(tree, "eve", groups) == rights_of(tree, "eve", sorted(groups))


def test_neither_do_they_bound_jobs_where_another_group_says_less_of_jobs() -> None:
    text = "groups: {lab: {}, course: {each: {jobs: {limit: {slices: 2}}}}}"
    job_limit = rights_of(document(text), "eve", ["lab", "course"]).job_limit
    assert job_limit is not None
    assert job_limit.with_jobs.slices.value is None


IDLE = document(
    """
    everyone: {max_idle: 8h}
    groups:
      course: {each: {max_idle: 1h}}
      lab: {each: {max_idle: unlimited}, groups: {deep: {}}}
      silent: {}
    exceptions: [{who: [ada], set: {max_idle: 30m}, why: x}]
    """
)
IDLE_CASES = {
    "who is in no group": ("eve", (), timedelta(hours=8), "everyone.max_idle (line 2)"),
    "a group goes before everyone": (
        "eve",
        ("course",),
        timedelta(hours=1),
        "groups.course.each.max_idle (line 4)",
    ),
    "of several the longest": (
        "eve",
        ("course", "silent"),
        timedelta(hours=8),
        "everyone.max_idle (line 2)",
    ),
    "for ever, by the group above": ("eve", ("deep",), None, "groups.lab.each.max_idle (line 5)"),
    "for ever is the longest": (
        "eve",
        ("course", "lab"),
        None,
        "groups.lab.each.max_idle (line 5)",
    ),
    "an exception goes before all": (
        "ada",
        ("lab",),
        timedelta(minutes=30),
        "exceptions[0].set.max_idle (line 7)",
    ),
}


@pytest.mark.parametrize("name", IDLE_CASES)
def test_how_long_a_server_may_be_idle(name: str) -> None:
    owner, groups, most, source = IDLE_CASES[name]
    right = rights_of(IDLE, owner, groups).max_idle
    assert (right.value, str(right.source)) == (most, source)
    assert max_idle_of(IDLE, owner, groups) == right


def test_servers_may_be_idle_for_ever_where_nobody_says() -> None:
    right = rights_of(document(), "eve", ()).max_idle
    assert (right.value, str(right.source)) == (None, "when nobody says")


@pytest.mark.parametrize("written", ["0", "soon", "-1h", "true"])
def test_what_is_no_time_is_refused(written: str) -> None:
    (problem,) = problems_of(f"everyone: {{max_idle: {written}}}")
    assert problem.startswith("line 1: everyone.max_idle: ")
    assert problem.endswith("; or 'unlimited'")
