"""The words of what will be taken from an owner."""

from dataclasses import replace

import pytest
from sublet_quota.reasons.ahead import AheadFacts, AheadKind, ahead_words

FULL = AheadFacts(
    AheadKind.SERVER_IDLE,
    "big",
    why="the fan fails.",
    by="root",
    since="2026-12-02 09:00 UTC",
    length="8 h",
    has="3",
    may_have="10",
    again="2027-01-01 00:00 UTC",
)


@pytest.mark.parametrize("kind", AheadKind)
def test_each_says_what_and_why_and_what_can_be_done_in_sentences(kind: AheadKind) -> None:
    words = ahead_words(replace(FULL, kind=kind))
    for each in (words.what, words.why, words.advice, words.why_no_deed):
        assert each[0].isupper() or each[0].isdigit()
        assert each.endswith(".")
        assert not each.endswith("..")
        assert "{" not in each


def test_what_an_admin_wrote_is_put_in_as_it_is() -> None:
    facts = AheadFacts(AheadKind.SERVER_EVICTED, "a'b", why="{by} <b>x</b>", by="root")
    words = ahead_words(facts)
    assert words.why == "By root: {by} <b>x</b>."
    assert words.what.startswith("Your server 'a'b' is stopped")


def test_who_may_be_asked_for_hours_and_when_there_are_some_again_is_said() -> None:
    facts = AheadFacts(AheadKind.BUDGET_ENDS, "the budget of lab", again=FULL.again)
    assert ahead_words(facts).what.startswith("The budget of lab is spent: ")
    assert ahead_words(facts).why_no_deed == (
        "Whoever keeps the quota document can give more hours. There are hours again at "
        "2027-01-01 00:00 UTC."
    )
