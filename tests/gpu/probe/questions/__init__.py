"""The questions, in the order in which they are asked: from harmless to harmful."""

from tests.gpu.probe.questions import (  # noqa: F401, I001 - their order is that of asking
    harmless,
    waiting,
    callers,
    sharing,
    neighbours,
    standing_still,
    killed_callers,
    without_room,
)
