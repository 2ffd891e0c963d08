"""The cards as admins are shown them, looked at anew from time to time, to tell which are others.

One look serves everybody who watches, and nobody watching costs nothing. With thousands of cards a
look takes seconds of a processor: it lets the loop go on every few milliseconds, and rests after.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sublet_quota.names.ids import GpuId

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.web.views.slices import HUB, Views

_LOOK_EVERY_S: Final = 1.0
_REST_PER_LOOK: Final = 4.0
_AT_A_STRETCH_S: Final = 0.02
_MOST_GONE: Final = 10_000
_TOLD_ANYWAY_AFTER_S: Final = 15.0
"""Counters that only grow are no reason to tell of a card; so old they are told all the same."""
_GROWING: Final = re.compile(
    r'"(?:seen_at|energy_mj|temperature_c|gpu_busy_ms|elapsed_s)":(?:"[^"]*"|[-0-9.eE+]+)'
)


@dataclass(slots=True)
class _Shown:
    version: int
    text: str
    like: str
    """The text without what only grows."""
    at_s: float


@dataclass(frozen=True, slots=True)
class CardNews:
    """What changed after a version, and which one that is now."""

    version: int
    cards: tuple[str, ...]
    """Each card's ``GpuInfo`` as JSON."""
    gone: tuple[GpuId, ...]


class CardFeed:
    """Remembers how each card was shown last."""

    def __init__(
        self, ledger: Ledger, views: Views, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger = ledger
        self._views = views
        self._monotonic = monotonic
        self._shown: dict[GpuId, _Shown] = {}
        self._gone: OrderedDict[GpuId, int] = OrderedDict()
        self._version = 0
        self._next_s = 0.0
        self._looking = asyncio.Lock()

    async def look(self) -> None:
        """Look at all cards, unless that was done just now."""
        async with self._looking:
            began_s = self._monotonic()
            if began_s < self._next_s:
                return
            stretch_s = began_s
            for gpu_id in tuple(self._ledger.gpus):
                self._look_at(gpu_id)
                if self._monotonic() - stretch_s > _AT_A_STRETCH_S:
                    await asyncio.sleep(0)
                    stretch_s = self._monotonic()
            for gpu_id in [each for each in self._shown if each not in self._ledger.gpus]:
                self._forget(gpu_id)
            ended_s = self._monotonic()
            rest_s = max(_LOOK_EVERY_S, _REST_PER_LOOK * (ended_s - began_s))
            self._next_s = ended_s + rest_s

    def news(self, after: int) -> CardNews:
        """Return what changed after this version; after 0, that of no cards: all of them."""
        return CardNews(
            version=self._version,
            cards=tuple(each.text for each in self._shown.values() if each.version > after),
            gone=tuple(gpu_id for gpu_id, version in self._gone.items() if version > after > 0),
        )

    def _look_at(self, gpu_id: GpuId) -> None:
        record = self._ledger.gpus.get(gpu_id)
        if record is None:
            # It went while others were looked at.
            return
        text = self._views.gpu(record, HUB).model_dump_json()
        like, now_s = _GROWING.sub("", text), self._monotonic()
        before = self._shown.get(gpu_id)
        if before is not None:
            is_old = now_s - before.at_s > _TOLD_ANYWAY_AFTER_S
            if like == before.like and (text == before.text or not is_old):
                return
        self._version += 1
        self._gone.pop(gpu_id, None)
        self._shown[gpu_id] = _Shown(self._version, text, like, now_s)

    def _forget(self, gpu_id: GpuId) -> None:
        del self._shown[gpu_id]
        self._version += 1
        self._gone[gpu_id] = self._version
        while len(self._gone) > _MOST_GONE:
            self._gone.popitem(last=False)
