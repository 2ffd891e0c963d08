"""How a slice stands, as agent and service tell it: the code together with its words."""

from typing import Final

from sublet_quota.reasons.standings import Standing, standing_meaning, standing_word
from sublet_quota.wire.schema import AnswerModel, Name, Words


class ToldStanding(AnswerModel):
    """A standing, to be shown by these very words."""

    code: Name
    """A value of ``Standing``; a newer part may tell others. Signs and colours go by it."""
    word: Words
    meaning: Words
    """The word explained, in a sentence for the slice's owner."""


def tell_standing(standing: Standing) -> ToldStanding:
    """Return a standing with its words."""
    return ToldStanding(
        code=standing.value, word=standing_word(standing), meaning=standing_meaning(standing)
    )


NOT_TOLD: Final = ToldStanding(
    code="not-told",
    word="not told",
    meaning="This machine's GPU agent is of an older version, and does not tell how it stands.",
)
"""What stands for the word of an agent that tells none."""
