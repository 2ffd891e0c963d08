"""The words for guaranteed and borrowed."""

import pytest
from sublet_quota.reasons.ranks import RankCode, rank_meaning, rank_word


def test_each_rank_has_a_word_of_its_own() -> None:
    assert len({rank_word(rank) for rank in RankCode}) == len(RankCode)


@pytest.mark.parametrize("rank", [RankCode.ENTITLED, RankCode.ENTITLED_IN_PART])
def test_what_is_guaranteed_names_the_group_that_has_the_guarantee(rank: RankCode) -> None:
    assert "science" in rank_meaning(rank, "science", "H100")


@pytest.mark.parametrize("rank", [RankCode.BORROWED, RankCode.CALLED_BACK])
def test_what_is_borrowed_says_for_which_cards_it_makes_way_and_that_nothing_is_lost(
    rank: RankCode,
) -> None:
    meaning = rank_meaning(rank, "science", "H100")
    assert "somebody who is guaranteed H100 needs the room" in meaning
    assert "loses nothing" in meaning


def test_what_is_called_back_says_for_which_group() -> None:
    meaning = rank_meaning(RankCode.CALLED_BACK, "science", "H100", called_back_for="nlp")
    assert meaning.startswith("Called back: its room is due to nlp. ")


@pytest.mark.parametrize("rank", RankCode)
def test_without_group_and_type_a_meaning_is_a_whole_sentence_too(rank: RankCode) -> None:
    meaning = rank_meaning(rank)
    assert "{" not in meaning
    assert "None" not in meaning
    assert meaning.endswith(".")
