"""A life cycle is a table of moves; a move that is not in the table raises."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from sublet_quota.errors import ForbiddenMoveError

S = TypeVar("S", bound=StrEnum)
M = TypeVar("M", bound=StrEnum)


def after_move(table: Mapping[tuple[S, M], S], state: S, move: M, subject: str) -> S:
    """Return the state that ``move`` leads to; ``ForbiddenMoveError`` when the table lacks it."""
    try:
        return table[state, move]
    except KeyError:
        allowed = sorted(m.value for s, m in table if s is state)
        message = (
            f"{subject} is {state.value} and cannot {move.value}: "
            f"from there it can {', '.join(allowed) or 'do nothing more'}"
        )
        raise ForbiddenMoveError(message) from None
