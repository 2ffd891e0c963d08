"""The whole story: its acts in their order."""

from sublet_hub.one_machine.demo.borrowing import borrowed_is_called_back
from sublet_hub.one_machine.demo.sharing import shares_are_kept
from sublet_hub.one_machine.demo.stage import Stage
from sublet_hub.one_machine.demo.story import (
    curtain,
    owners_return,
    owners_share,
    training_borrows,
    training_ends,
)
from sublet_hub.one_machine.demo.waiting import one_waits_in_line


async def play(stage: Stage) -> None:
    """Play the seven acts. What goes wrong is in the record, and ends the story with its act."""
    acts = (
        curtain,
        owners_share,
        training_borrows,
        owners_return,
        training_ends,
        borrowed_is_called_back,
        one_waits_in_line,
        shares_are_kept,
    )
    for act in acts:
        await act(stage)
        if stage.record.wrong:
            return
