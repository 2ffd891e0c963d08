"""What another document would make of slices, jobs and people, before anybody is concerned."""

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement import claims
from sublet_quota.placement.claims import Claims
from sublet_quota.preview.beyond import Beyond
from sublet_quota.preview.present_state import (
    StandingsUnder,
    present_state,
)
from sublet_quota.preview.quota_preview import QuotaPreview, preview_quota
from sublet_quota.reasons.guarantee_warnings import GuaranteeFault
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.limits import LimitKind

from tests.support.preview_cases import TWO_CARDS, TYPE, limited, person, previewed, under
from tests.support.quota_cases import (
    NOON,
    a_reservation_of,
    document,
    gpu,
    holdings,
    job_slice,
    notebook,
    part,
)
from tests.support.spent_budgets import spent


def test_how_things_are_now_knows_where_guarantees_lie_what_is_kept_and_what_is_asked_for() -> None:
    held = holdings(under({"a": 1}), *TWO_CARDS)
    (card,) = held.layout("H100").parts
    other = ({"gpu-0", "gpu-1"} - {card}).pop()
    # The guarantee follows a slice to the other card, and stays there once it has ended.
    held.put(notebook("first", group="a", on=card, amount=part(1)))
    held.put(notebook("second", group="a", on=other, amount=part(1), since=1))
    held.remove(SliceId("first"))
    assert list(held.layout("H100").parts) == [other]
    held.remove(SliceId("second"))
    held.kept_cards, held.asked_sizes = {GpuId(card): a_reservation_of("a")}, {"small": 3}
    now = present_state(held).holdings()
    assert now.layout("H100").parts == held.layout("H100").parts
    assert (now.kept_cards, now.asked_sizes) == (held.kept_cards, held.asked_sizes)


def test_how_things_are_now_counts_what_lies_on_a_card_that_is_gone() -> None:
    held = holdings(under({"a": 1}), *TWO_CARDS)
    held.put(notebook("old", group="a", on="gpu-0", amount=part(1)))
    held.put(notebook("new", group="a", on="gpu-1", amount=part(1), since=1))
    held.remove_gpu(GpuId("gpu-0"))
    now = present_state(held).holdings()
    assert [now.rank(each) for each in ("old", "new")] == [Rank.ENTITLED, Rank.BORROWED]
    assert shown(now) == shown(held)
    assert not previewed(held, under({"a": 1})).ranks


def ranks(preview: QuotaPreview) -> list[tuple[str, Rank, Rank, timedelta | None]]:
    return [
        (each.slice_id, each.before, each.after, None if each.at is None else each.at - NOON)
        for each in preview.ranks
    ]


def shown(held: Holdings) -> object:
    """All that holdings say of slices."""
    return (
        held.document,
        sorted(held.slices(), key=lambda each: each.slice_id),
        {each.slice_id: held.rank(each.slice_id) for each in held.slices()},
        dict(held.lasting_steps()),
        {name: held.layout(name).parts for name in held.types()},
        held.warnings(),
    )


def test_a_document_that_says_the_same_changes_nothing() -> None:
    held = holdings(under({"a": 1}), *TWO_CARDS, notebook("s", amount=part(1), group="a"))
    preview = previewed(held, under({"a": 1}), (person("ada", "a"),))
    assert preview == QuotaPreview((), (), (), Claims((), 0), (), (), (), (), ())


def test_what_is_guaranteed_becomes_borrowed_when_its_grace_is_over() -> None:
    held = holdings(under({"a": 1}), *TWO_CARDS, notebook("s", amount=part(1), group="a"))
    preview = previewed(held, under({"a": "1/2"}))
    later = timedelta(hours=24)
    assert ranks(preview) == [("s", Rank.ENTITLED, Rank.BORROWED, later)]
    assert [each.is_worse for each in preview.ranks] == [True]


@pytest.mark.parametrize("group", ["a", "a-child"])
def test_slices_of_a_group_that_is_taken_out_count_as_before_until_their_grace_is_over(
    group: str,
) -> None:
    tree = f"{TYPE}groups: {{a: {{guaranteed: {{H100: 1}}, groups: {{a-child: {{}}}}}}}}\n"
    held = holdings(tree, *TWO_CARDS, notebook("s", amount=part(1), group=group))
    assert held.rank(SliceId("s")) is Rank.ENTITLED_IN_PART
    preview = previewed(held, f"{TYPE}shrink: {{grace: 24h}}\n")
    assert [(at, after) for _, _, after, at in ranks(preview) if after is Rank.BORROWED] == [
        (timedelta(hours=24), Rank.BORROWED)
    ]


def test_without_a_grace_it_becomes_borrowed_at_once_and_others_are_guaranteed() -> None:
    held = holdings(
        under({"a": 1}, "  b: {}\n"),
        *TWO_CARDS,
        notebook("s", amount=part(1), group="a"),
        notebook("t", "bob", part(1), "gpu-1", group="b"),
    )
    preview = previewed(held, under({"b": 1}, "  a: {}\n", grace="0s"))
    expected = [
        ("s", Rank.ENTITLED, Rank.BORROWED, None),
        ("t", Rank.BORROWED, Rank.ENTITLED, None),
    ]
    assert ranks(preview) == expected


def test_a_grace_that_was_given_before_is_no_change_of_this_document() -> None:
    held = holdings(under({"a": 1}), *TWO_CARDS, notebook("s", amount=part(1), group="a"))
    held = held.under(document(under({"a": "1/2"})), NOON)
    assert ranks(previewed(held, under({"a": "1/2"}, "  b: {}\n"))) == []


def test_who_holds_more_than_a_limit_or_a_guarantee_is_told_with_numbers() -> None:
    held = holdings(
        under({"a": 2}),
        *TWO_CARDS,
        notebook("s", amount=part(1), group="a"),
        notebook("t", amount=part(1), on="gpu-1", group="a"),
        job_slice("j", amount=part(0.5), group="a"),
    )
    text = f"{TYPE}groups: {{a: {{guaranteed: {{H100: 1}}, limit: {{H100: 2}}}}}}\n"
    preview = previewed(held, text + "everyone: {limit: {slices: 1}}\n", (person("ada", "a"),))
    told = [
        (each.what, each.group, each.owner, each.kind, each.held, each.most)
        for each in preview.beyond
    ]
    assert told[0][:4] == (Beyond.LIMIT, "a", None, LimitKind.TYPE)
    assert (float(told[0][4]), told[0][5]) == (2.5, 2)
    assert told[1:] == [
        (Beyond.GUARANTEE, "a", None, LimitKind.TYPE, 2, 1),
        (Beyond.LIMIT, None, "ada", LimitKind.SLICES, 3, 1),
    ]


def test_who_is_beyond_a_limit_already_is_told_only_where_it_gets_worse() -> None:
    slices = (notebook("s", amount=part(1), group="a"),)
    held = holdings(limited("H100", "1/2"), *TWO_CARDS, *slices)
    assert previewed(held, limited("H100", "3/4")).beyond == ()
    (excess,) = previewed(held, limited("H100", "1/4")).beyond
    assert (excess.held, excess.most) == (1, Fraction(1, 4))


def test_more_guaranteed_than_the_cards_of_now_can_keep_is_told() -> None:
    held = holdings(TYPE, *TWO_CARDS)
    faults = [each.fault for each in previewed(held, under({"a": 3})).unmet]
    assert faults[0] is GuaranteeFault.CARDS_SHORT


def test_who_would_make_way_for_a_new_guarantee_is_told_and_who_cannot() -> None:
    slices = (
        notebook("s", "bob", part(1), "gpu-0", group="b"),
        notebook("t", "ben", part(1), "gpu-0", group="b"),
    )
    held = holdings(TYPE + "groups: {b: {}}\n", gpu(), *slices)
    (claim,) = previewed(held, under({"a": 1}, "  b: {}\n")).claims.found
    assert (claim.group, claim.gpu_id, claim.in_the_way) == ("a", "gpu-0", ())
    assert set(claim.calls_back) <= {"s", "t"}
    assert claim.calls_back
    held.mark_unsuspendable(slices[0].slice_id, unsuspendable=True)
    (claim,) = previewed(held, under({"a": 1}, "  b: {}\n")).claims.found
    assert claim.in_the_way == ("s",)
    assert previewed(held, TYPE + "groups: {b: {}, c: {}}\n").claims.found == ()


def test_a_guarantee_that_is_claimed_already_is_no_news() -> None:
    slices = (
        notebook("s", "bob", part(1), "gpu-0", group="b"),
        notebook("t", "ben", part(1), "gpu-0", group="b"),
    )
    held = holdings(under({"a": 1}, "  b: {}\n"), gpu(), *slices)
    assert previewed(held, under({"a": 1}, "  b: {weight: 2}\n")).claims.found == ()


def test_of_very_many_claims_the_first_are_reckoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST_CLAIMS", 1)
    slices = (
        notebook(f"s{number}", f"user-{number}", part(1), f"gpu-{number // 2}", group="b")
        for number in range(4)
    )
    held = holdings(TYPE + "groups: {b: {}}\n", *TWO_CARDS, *slices)
    found = previewed(held, under({"a": 2}, "  b: {}\n")).claims
    assert (len(found.found), found.not_reckoned) == (1, 1)


def test_a_called_back_slice_that_is_guaranteed_now_has_its_place_again() -> None:
    held = holdings(
        under({"a": 1}, "  b: {}\n"),
        gpu(),
        notebook("s", amount=part(1), group="a"),
        notebook("t", "bob", part(1), group="b", called_back=True),
        notebook("u", "ben", part(1), group="b"),
    )
    preview = previewed(held, under({"b": 1}, "  a: {}\n", grace="0s"))
    assert ("t", Rank.CALLED_BACK, Rank.ENTITLED, None) in ranks(preview)
    assert preview.brought_back == ("t",)


def test_what_the_document_names_and_no_card_is_is_warned_of() -> None:
    held = holdings(TYPE, gpu())
    text = (
        TYPE
        + "pools: [{name: p, default: true}, {name: q, nodes: [elsewhere]}]\n"
        + "everyone: {limit: {memory: 999 TiB}}\ngroups: {a: {limit: {memory: 20 GiB}}}\n"
    )
    found = {each.path: each.words for each in previewed(held, text).warnings}
    assert found.keys() == {("pools", "q"), ("everyone", "limit", "memory")}
    assert found["pools", "q"] == "no GPU that there is lies in this pool"
    assert found["everyone", "limit", "memory"].startswith("is more memory than slices can have on")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Holdings, str]:
    groups = ("a", "b", None)
    slices: list[Holding] = [
        notebook(
            f"s{number}",
            f"user-{number}",
            part(draw(st.sampled_from((0.25, 0.5, 1)))),
            draw(st.sampled_from(("gpu-0", "gpu-1"))),
            group=draw(st.sampled_from(groups)),
            since=number,
            called_back=draw(st.booleans()),
            unsuspendable=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 5)))
    ]
    cards = st.sampled_from((0, "1/4", 1, 2))
    now, then = ({"a": draw(cards), "b": draw(cards)} for _ in range(2))
    grace = draw(st.sampled_from(("0s", "1h")))
    return holdings(under(now), *TWO_CARDS, *slices), under(then, grace=grace)


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_nothing_is_changed_and_what_is_told_is_what_comes(world: tuple[Holdings, str]) -> None:
    held, text = world
    before, again = shown(held), dict(held.lasting_steps())
    preview = previewed(held, text)
    assert shown(held) == before
    after = held.under(document(text).at(NOON), NOON)
    now = {each.slice_id: held.rank(each.slice_id) for each in held.slices()}
    now |= {each.slice_id: each.after for each in preview.ranks if each.at is None}
    assert now == {each.slice_id: after.rank(each.slice_id) for each in after.slices()}
    after.end_graces(NOON + timedelta(hours=1))
    now |= {each.slice_id: each.after for each in preview.ranks}
    assert now == {each.slice_id: after.rank(each.slice_id) for each in after.slices()}
    assert preview.unmet == held.under(document(text).at(NOON), NOON).warnings()
    assert dict(held.lasting_steps()) == again


BUDGETED = under({"a": 1}).replace("{H100: 1}}", "{H100: 1}, budget: {hours: 100}}")


def budgets_of(*whose: str) -> StandingsUnder:
    """Of these budgets twice the hours are spent, whatever a document says."""
    return lambda there: tuple(spent(there, *whose).over.values())


def test_whose_budget_would_be_over_is_told_and_their_slices_would_be_borrowed() -> None:
    held = holdings(BUDGETED, *TWO_CARDS, notebook("s", amount=part(1), group="a"))
    state = present_state(held, standings_under=budgets_of("a"))
    preview = preview_quota(state, document(BUDGETED.replace("hours: 100", "hours: 10")), NOON)
    assert [(each.group, each.hours.value) for each in preview.budgets] == [("a", 10)]
    assert ranks(preview) == [("s", Rank.ENTITLED, Rank.BORROWED, None)]
    assert held.rank(SliceId("s")) is Rank.ENTITLED


def test_what_is_spent_already_is_no_news_and_may_be_entitled_again() -> None:
    held = holdings(BUDGETED, *TWO_CARDS, notebook("s", amount=part(1), group="a"))
    held.spend(spent(held.document, "a"))
    same = preview_quota(present_state(held, standings_under=budgets_of("a")), held.document, NOON)
    assert (same.budgets, same.ranks) == ((), ())
    more = preview_quota(
        present_state(held), document(BUDGETED.replace("hours: 100", "hours: 999")), NOON
    )
    assert ranks(more) == [("s", Rank.BORROWED, Rank.ENTITLED, None)]


def test_what_is_to_be_reserved_is_told_and_what_is_over_is_not() -> None:
    text = f"""{TYPE}groups: {{a: {{}}}}
reservations:
  - {{name: weekly, for: a, guaranteed: {{H100: 1}}, at: "Mon-Sun 14:00-16:00"}}
  - {{name: now, for: a, guaranteed: {{H100: 0.5}}, at: "Mon-Sun 11:00-13:00"}}
  - {{name: over, for: a, guaranteed: {{H100: 1}}, at: 2026-01-05 14:00-16:00}}
"""
    day = f"{NOON:%Y-%m-%d}"
    assert previewed(holdings(TYPE, TWO_CARDS), text).reservations == (
        f"now: 0.5 cards of H100 for a, on until {day} 13:00 UTC",
        f"weekly: 1 card of H100 for a, next from {day} 14:00 UTC",
    )
