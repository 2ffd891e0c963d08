"""The watch over the parts while the story is played: one that dies is wrong, and ends the story.

`make up` would start it again. Here that would only hide what the demo is there to show.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from sublet_hub.one_machine.demo.record import Record
from sublet_hub.one_machine.processes import Parts
from sublet_hub.one_machine.restarts import words_of

_LOOK_EVERY_S: Final = 0.25


async def while_all_run(parts: Parts, record: Record, story: Coroutine[Any, Any, None]) -> None:
    """Play the story until it ends, or a part does; the latter is noted as wrong."""
    playing = asyncio.ensure_future(story)
    try:
        while not playing.done() and parts.ended() is None:
            await asyncio.wait((playing,), timeout=_LOOK_EVERY_S)
    finally:
        ended = parts.ended()
        if ended is not None:
            how = words_of(ended.process.returncode)
            what = f"{ended.name} {how} in the middle of the demo: {ended.last_words()}"
            record.expect(held=False, otherwise=what)
        playing.cancel()
        await asyncio.wait((playing,))
    if not playing.cancelled():
        playing.result()
