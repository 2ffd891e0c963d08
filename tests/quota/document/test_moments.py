"""The document in force at a moment: nothing else that decides knows the time."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.document.rights import rights_of

from tests.support.quota_documents import EXAMPLE, document

NOW = datetime(2026, 12, 1, tzinfo=UTC)
AFTER = datetime(2027, 1, 1, tzinfo=UTC)


def test_what_has_ended_is_left_out_from_its_end_on() -> None:
    full = document(EXAMPLE)
    end = datetime(2026, 12, 3, tzinfo=UTC)
    assert len(full.at(end - timedelta(seconds=1)).closed) == 1
    assert full.at(end).closed == ()
    assert full.at(AFTER).exceptions == ()


def test_exceptions_of_groups_are_folded_into_the_tree() -> None:
    full = document(EXAMPLE)
    nlp = full.at(NOW).all_groups["nlp"]
    assert (nlp.guaranteed, nlp.weight) == ({"H100": 6}, 2)
    assert nlp.each.limit.types == {"H100": 3}
    assert nlp.each.jobs == full.all_groups["nlp"].each.jobs
    later = full.at(AFTER).all_groups["nlp"]
    assert (later.guaranteed, later.weight) == ({"H100": Fraction(9, 2)}, 1)
    assert full.all_groups["nlp"].weight == 1


def test_the_next_change_is_the_next_end() -> None:
    full = document(EXAMPLE)
    ends = [NOW]
    while (following := full.changes_after(ends[-1])) is not None:
        ends.append(following)
    assert ends[1:] == [
        datetime(2026, 12, 3, tzinfo=UTC),
        datetime(2026, 12, 10, 17, tzinfo=UTC),
        datetime(2026, 12, 11, 13, tzinfo=UTC),
        datetime(2026, 12, 11, 15, tzinfo=UTC),
        datetime(2026, 12, 15, tzinfo=UTC),
    ]


@given(st.datetimes(datetime(2026, 11, 1), datetime(2027, 2, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_until_the_next_change_the_document_in_force_stays_the_same(now: datetime) -> None:
    full = document(EXAMPLE)
    change = full.changes_after(now)
    if change is None:
        assert full.at(now) == full.at(now + timedelta(days=10_000))
    else:
        assert full.at(change - timedelta(microseconds=1)) == full.at(now)
        assert full.at(change) != full.at(now)


def test_of_what_is_in_force_it_is_known_what_is_at_another_moment() -> None:
    full = document(EXAMPLE)
    assert full.at(AFTER).at(NOW) == full.at(NOW)
    assert full.at(AFTER).changes_after(NOW) == full.changes_after(NOW)


def test_a_document_in_which_nothing_ends_is_in_force_as_it_is() -> None:
    plain = document("groups: {lab: {weight: 2}}")
    assert plain.at(NOW) == plain
    assert plain.changes_after(NOW) is None


def test_what_was_folded_in_is_known_by_the_line_of_its_exception() -> None:
    now = document(EXAMPLE).at(NOW)
    path = ("groups", "science", "groups", "nlp", "guaranteed", "H100")
    assert now.origin_of(path) == ("exceptions", 1, "set", "guaranteed", "H100")
    line = now.line_of(path)
    assert line is not None
    assert "guaranteed: {H100: 6}" in EXAMPLE.splitlines()[line - 1]


def test_what_is_left_of_a_list_keeps_its_place_in_the_document() -> None:
    later = document(
        """
        exceptions:
          - {who: [eve], set: {limit: {cards: 2}}, until: 2026-11-01, why: past}
          - {who: [ada], set: {limit: {cards: 3}}, until: 2027-11-01, why: thesis}
        """
    ).at(NOW)
    source = rights_of(later, "ada", ()).limit.cards.source
    assert str(source) == "exceptions[1].set.limit.cards (line 4)"


def test_of_two_exceptions_the_more_generous_counts_key_by_key() -> None:
    lab = document(
        """
        groups: {lab: {limit: {H100: 1, cards: 9}, types: [L4]}}
        exceptions:
          - {groups: [lab], set: {limit: {H100: 4, cards: 5}, types: [A100]}, why: a}
          - {groups: [lab], set: {limit: {H100: 3, cards: unlimited}, types: [H100]}, why: b}
        """
    ).at(NOW)
    limit = lab.all_groups["lab"].limit
    assert (limit.types, limit.cards) == ({"H100": 4}, "unlimited")
    assert lab.all_groups["lab"].types == ("A100", "H100")
    assert lab.origin_of(("groups", "lab", "limit", "H100"))[:2] == ("exceptions", 0)
    assert lab.origin_of(("groups", "lab", "limit", "cards"))[:2] == ("exceptions", 1)


def test_a_size_that_an_exception_names_for_a_group_is_open_to_it() -> None:
    text = """
        sizes:
          - {name: small, memory: 1/4, compute: 1/4}
          - {name: whole, memory: 1, compute: 1, for: [science]}
        groups: {science: {}, lab: {}}
        exceptions: [{groups: [lab], set: {sizes: [small, whole]}, until: 2026-12-31, why: x}]
        """
    sizes = [
        rights_of(document(text).at(now), "eve", ["lab"]).payer("lab").sizes.value
        for now in (NOW, datetime(2027, 6, 1, tzinfo=UTC))
    ]
    assert sizes == [{"small", "whole"}, {"small"}]


def test_an_exception_limits_jobs_that_had_no_limit_of_their_own() -> None:
    found = document(
        "groups: {g: {}}\n"
        "exceptions: [{groups: [g], set: {jobs: {limit: {cards: 2}}}, why: a course}]\n"
    )
    (group,) = found.at(NOW).all_groups.values()
    assert group.jobs.limit is not None
    assert group.jobs.limit.cards == Fraction(2)
