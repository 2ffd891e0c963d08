"""The difference between a failing card and a program's own mistake, by the number of an XID."""

from typing import Final

APPLICATION_XIDS: Final = frozenset({13, 31, 43, 45, 68, 109})
"""The XIDs that programs cause (an illegal access, a page fault, a kernel that was ended): the card
is well. The same list that NVIDIA's Kubernetes device plugin does not hold against a card. Without
it any tenant could have a card closed by one bad kernel.
"""


def tells_of_the_card(code: int) -> bool:
    """Whether an XID event says something about the card."""
    return code not in APPLICATION_XIDS
