"""How it stands with a slice's compute share, in words; and in what these go over the wire."""

import pytest
from pydantic import TypeAdapter
from sublet_quota.reasons.share_kept import (
    BY_ENGINES,
    Holds,
    ShareKept,
    holds_of,
    share_kept_meaning,
    share_kept_words,
)
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.kept import ToldCode, kept_by_engine, tell_cap_kept, tell_share_kept

BEGINS = {
    Holds.KEPT: "kept",
    Holds.CAPPED: "capped",
    Holds.NOT_NEEDED: "not needed now",
    Holds.CANNOT: "cannot be kept, because ",
    Holds.NOT_KNOWN: "not known yet, as ",
}


@pytest.mark.parametrize("kept", ShareKept)
def test_each_code_is_one_of_the_five_and_has_words_of_its_own(kept: ShareKept) -> None:
    words, meaning = share_kept_words(kept), share_kept_meaning(kept)
    assert words.startswith(BEGINS[holds_of(kept)])
    assert words not in {share_kept_words(each) for each in ShareKept if each is not kept}
    assert meaning[0].isupper()
    assert meaning.endswith(".")
    assert not words.endswith(".")


@pytest.mark.parametrize(
    ("kept", "whose"),
    [
        (ShareKept.BY_MIG, "MIG"),
        (ShareKept.BY_MPS, "MPS"),
        (ShareKept.BY_HAMI, "HAMi"),
        (ShareKept.BY_VOLCANO, "Volcano"),
    ],
)
def test_what_an_engine_keeps_is_said_as_its(kept: ShareKept, whose: str) -> None:
    assert kept in BY_ENGINES
    assert whose in share_kept_words(kept)
    assert whose in share_kept_meaning(kept)
    assert holds_of(kept) is Holds.KEPT


def test_no_turns_are_said_to_be_an_engines() -> None:
    engines = {"by-mig", "by-mps", "by-hami", "by-volcano"}
    assert {each.value for each in BY_ENGINES} == engines
    assert kept_by_engine(ShareKept.BY_TURNS, simulated=False) is None


def test_no_engine_keeps_anything_of_a_simulated_card() -> None:
    assert kept_by_engine(ShareKept.BY_MPS, simulated=False) is ShareKept.BY_MPS
    assert kept_by_engine(ShareKept.BY_MPS, simulated=True) is None
    told = tell_cap_kept(("mps",), simulated=True)
    assert told is not None
    assert told.by == ("simulated", "watch")


@pytest.mark.parametrize(
    ("most_milli", "words"),
    [
        (500, "capped at 50 % by the quota's max_compute"),
        (125, "capped at 12.5 % by the quota's max_compute"),
        (None, "capped by the quota's max_compute"),
    ],
)
def test_a_cap_is_told_with_its_number_and_is_nothing_that_is_kept(
    most_milli: int | None, words: str
) -> None:
    told = tell_share_kept(ShareKept.CAPPED, most_milli)
    assert (told.code, told.holds, told.words) == ("capped", "capped", words)


@pytest.mark.parametrize("kept", [each for each in ShareKept if each is not ShareKept.CAPPED])
def test_no_other_words_tell_a_cap(kept: ShareKept) -> None:
    assert share_kept_words(kept, 500) == share_kept_words(kept)


@pytest.mark.parametrize(("percent", "part"), [(50, "50 %"), (None, "a part")])
def test_what_foreign_processes_use_is_told_with_its_number(percent: int | None, part: str) -> None:
    told = tell_share_kept(ShareKept.FOREIGN, None, percent)
    words = f"cannot be kept, because processes of no slice of this card use {part} of its time"
    assert (told.code, told.holds, told.words) == ("foreign-use", "cannot", words)
    assert told.meaning == f"The share {words}."


def test_a_code_goes_with_its_words() -> None:
    told = tell_share_kept(ShareKept.TOO_MANY)
    assert (told.code, told.holds) == ("too-many", "cannot")
    assert told.meaning == f"The share {told.words}."


def test_a_cap_of_which_nothing_was_told_is_not_said_to_be_kept() -> None:
    assert tell_cap_kept(None, simulated=False) is None


def test_a_code_that_only_a_newer_agent_knows_is_not_told_and_spoils_nothing() -> None:
    assert TypeAdapter(ToldCode).validate_python("by-magic") is None
    told = {
        "slice_id": "a",
        "state": "resident",
        "active": True,
        "since": "2026-12-01T12:00:00Z",
        "gate_open": True,
        "memory_mib": 1,
    }
    for code, kept in (("by-magic", None), ("moving", ShareKept.MOVING), (None, None)):
        assert SliceReport.model_validate({**told, "compute_kept": code}).compute_kept is kept
