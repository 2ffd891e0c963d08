"""A rank on the wire: the code with its words, and codes of a newer service."""

import pytest
from sublet_quota.reasons.ranks import RankCode, rank_meaning, rank_word
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.rank import ToldRank, code_of, tell_rank


@pytest.mark.parametrize("rank", RankCode)
def test_a_rank_is_told_with_its_words_and_found_by_its_code(rank: RankCode) -> None:
    told = ToldRank.model_validate_json(tell_rank(rank, "science", "H100").model_dump_json())
    assert told.code == rank
    assert told.word == rank_word(rank)
    assert told.meaning == rank_meaning(rank, "science", "H100")


def test_a_code_that_is_not_known_is_read_with_its_words() -> None:
    told = ToldRank.model_validate({"code": "adrift", "word": "far away", "meaning": "Gone."})
    assert (told.code, told.word) == ("adrift", "far away")


def test_every_rank_has_the_code_of_its_name() -> None:
    assert {rank: code_of(rank).value for rank in Rank} == {
        Rank.ENTITLED: "entitled",
        Rank.ENTITLED_IN_PART: "entitled-in-part",
        Rank.BORROWED: "borrowed",
        Rank.CALLED_BACK: "called-back",
    }
