"""What a node has beside its GPUs: exact, and unknown where nobody tells it."""

import pytest
from sublet_quota.amounts.node_amounts import UNKNOWN_ROOM, NodeAmount, NodePart, NodeRoom
from sublet_quota.errors import AmountError


@pytest.mark.parametrize(
    ("room", "amount", "lacks"),
    [
        (NodeRoom(4000, 8192), NodeAmount(4000, 8192), None),
        (NodeRoom(3999, 8192), NodeAmount(4000, 8192), NodePart.CPU),
        (NodeRoom(4000, 8191), NodeAmount(4000, 8192), NodePart.MEMORY),
        (NodeRoom(None, 8191), NodeAmount(4000, 8192), NodePart.MEMORY),
        (UNKNOWN_ROOM, NodeAmount(4000, 8192), None),
        (NodeRoom(-1, -1), NodeAmount(), None),
        (NodeRoom(-1, 10), NodeAmount(0, 10), None),
    ],
)
def test_what_is_unknown_or_not_asked_for_is_never_too_little(
    room: NodeRoom, amount: NodeAmount, lacks: NodePart | None
) -> None:
    assert room.lacks(amount) is lacks


def test_what_is_taken_is_left_no_more_and_the_unknown_stays_unknown() -> None:
    assert NodeRoom(4000, None).less(NodeAmount(5000, 1)) == NodeRoom(-1000, None)


def test_amounts_are_added_and_taken_away_part_by_part() -> None:
    both = NodeAmount(1, 2) + NodeAmount(10, 20)
    assert both == NodeAmount(11, 22)
    assert both - NodeAmount(1, 2) == NodeAmount(10, 20)


@pytest.mark.parametrize("parts", [(-1, 0), (0, -1)])
def test_no_amount_is_less_than_nothing(parts: tuple[int, int]) -> None:
    with pytest.raises(AmountError, match="give zero or more"):
        NodeAmount(*parts)
