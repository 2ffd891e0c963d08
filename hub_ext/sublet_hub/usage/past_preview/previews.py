"""Past days under another quota document: one preview at a time, told as it goes on.

What happened is read as it is exported, a day at a time beside the loop, with the names of persons,
and simulated in a process of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from sublet_quota.wire.past_preview import PastPlace, PastPreviewInfo, PastProblem, PastProgress

from sublet_hub.errors import SubletHubError
from sublet_hub.usage.past_preview.process import Bounds, Simulation, simulation
from sublet_hub.usage.past_preview.protocol import Asked, OutOfMemory, Passed, Report, Wrong
from sublet_hub.usage.past_preview.turns import Turns
from sublet_hub.usage.recorded.history_export import Export, HistoryExports
from sublet_hub.usage.recorded.recorder import Recorder

Event = PastPlace | PastProgress | PastProblem | PastPreviewInfo
Tell = Callable[[Event], Awaitable[None]]
READING: Final = "reading"
SIMULATING: Final = "simulating"
_READ_PART: Final = 0.2
"""What reading is of all that is to be done."""
_MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True)
class PastSources:
    """Whence it is known what happened, and under which document."""

    exports: HistoryExports
    recorder: Recorder
    in_force: Callable[[], str]
    now: Callable[[], datetime]


class PastPreviews:
    """The previews."""

    def __init__(self, sources: PastSources, bounds: Bounds | None = None) -> None:
        self._sources = sources
        self._bounds = Bounds() if bounds is None else bounds
        self._turns = Turns()

    async def preview(self, who: str, text: str, days: int, tell: Tell) -> None:
        """Tell how far the preview of a document that was checked is, and what it comes to.

        Who is cancelled, or whose ``tell`` raises, leaves nothing behind. ``TooManyRequestsError``.
        """

        async def tell_ahead(ahead: int) -> None:
            await tell(PastPlace(ahead=ahead))

        async with self._turns.taken(who, tell_ahead):
            await tell(await self._told(text, days, tell))

    async def _told(self, text: str, days: int, tell: Tell) -> PastPreviewInfo | PastProblem:
        bounds = self._bounds
        memory_mib = bounds.memory_now_mib()
        if memory_mib < bounds.least_mib:
            message = (
                f"too little memory is left here now: a simulation would have {memory_mib} MiB"
            )
            return PastProblem(message=message)
        export = await self._export(days)
        if export is None:
            message = "nothing was recorded yet of what happens here: ask again in some days"
            return PastProblem(message=message)
        asked = Asked(in_force=self._sources.in_force(), other=text, days=days)
        try:
            async with asyncio.timeout(bounds.within_s):
                async with simulation(memory_mib, bounds.within_s) as process:
                    await process.ask(asked)
                    await self._send(export, process, tell)
                    return await _heard(process, memory_mib, tell)
        except TimeoutError:
            message = (
                f"it took longer than {bounds.within_s / _MINUTE_S:g} minutes: ask for fewer days"
            )
            return PastProblem(message=message)
        except SubletHubError as error:
            return PastProblem(message=str(error))

    async def _export(self, days: int) -> Export | None:
        """Return which days there are of those that are asked for; ``None``: nothing of them."""
        sources = self._sources
        # What happened just now counts.
        sources.recorder.look_at_cards()
        await sources.recorder.store()
        until = sources.now()
        since = max(until - timedelta(days=days), until - sources.recorder.keeps)
        first = await sources.exports.first_recorded()
        if first is None or first >= until:
            return None
        return Export(max(since, first), until, names=True)

    async def _send(self, export: Export, process: Simulation, tell: Tell) -> None:
        for number in range(export.days):
            await tell(PastProgress(stage=READING, part=_READ_PART * number / export.days))
            await process.send(await self._sources.exports.day(export, number))


async def _heard(process: Simulation, memory_mib: int, tell: Tell) -> PastPreviewInfo | PastProblem:
    await tell(PastProgress(stage=SIMULATING, part=_READ_PART))
    async for told in process.told():
        match told:
            case Passed():
                part = _READ_PART + (1 - _READ_PART) * told.part
                await tell(PastProgress(stage=SIMULATING, part=part))
            case Report():
                return told.report
            case Wrong():
                return PastProblem(message=told.wrong)
            case OutOfMemory():
                break
            case _:
                assert_never(told)
    message = (
        "the simulation was ended before it had an answer; it may take "
        f"{memory_mib} MiB of memory: ask for fewer days"
    )
    return PastProblem(message=message)
