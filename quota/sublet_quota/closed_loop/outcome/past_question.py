"""Past days as a question to the simulation: under the document in force, and under another."""

from typing import Final

from sublet_quota.closed_loop.asks.asked import Manner
from sublet_quota.closed_loop.history.past_days import PastDays
from sublet_quota.closed_loop.outcome.question import NamedDocument, Question

IN_FORCE: Final = "in force"
NO_CARDS: Final = "no cards at first"


def past_question(
    days: PastDays, first: NamedDocument, second: NamedDocument | None, words: str
) -> Question:
    """Return the question. ``words``: whence it is known what was asked for."""
    return Question(
        first=first,
        second=second,
        cards=days.cards.first,
        asked=days.history.asked,
        begins=days.history.begins,
        ends=days.history.ends,
        manner=Manner(speeds=days.speeds),
        card_changes=days.cards.changes,
        cards_text=days.cards_text or NO_CARDS,
        workload_text=words,
        history=days.history,
    )
