"""A standing on the wire: the code with its words, and codes of a newer part."""

import pytest
from sublet_quota.reasons.standings import Standing, standing_meaning, standing_word
from sublet_quota.wire.standing import ToldStanding, tell_standing


@pytest.mark.parametrize("standing", Standing)
def test_a_standing_is_told_with_its_words_and_found_by_its_code(standing: Standing) -> None:
    told = ToldStanding.model_validate_json(tell_standing(standing).model_dump_json())
    assert told.code == standing
    assert told.word == standing_word(standing)
    assert told.meaning == standing_meaning(standing)


def test_a_code_that_is_not_known_is_read_with_its_words() -> None:
    told = ToldStanding.model_validate({"code": "adrift", "word": "far away", "meaning": "Gone."})
    assert (told.code, told.word) == ("adrift", "far away")
