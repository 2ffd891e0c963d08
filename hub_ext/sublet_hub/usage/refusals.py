"""What was refused, and to whom: noted at once, and stored behind, in batches, beside the loop.

Nothing is decided by it. What was not stored when the service was killed is lost: two seconds.
Somebody who asks in a loop is one entry here and one row there, which counts.
"""

import asyncio
import hashlib
import json
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sublet_quota.placement.resize import NewSize
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.api import SliceRequest
from sublet_quota.wire.jobs import JobRequest
from sublet_quota.wire.schema import MOST_EXACT

from sublet_hub.ledger.database import LedgerWriteError
from sublet_hub.ledger.job_order import Place
from sublet_hub.ledger.records import JobRecord, SliceRecord
from sublet_hub.ledger.refusals import AskerSum, CodeSum, RefusalQuery, RefusalRecord, RefusalStore
from sublet_hub.ledger.text import within_bytes

MOST_WAITING: Final = 2000
MOST_WAITING_OF_OWNER: Final = 50
"""How many of one owner's wait to be stored; of more the newest are left out."""
_MOST_MESSAGE_BYTES: Final = 1000
_MOST_GROUPS: Final = 20
_MOST_GROUP_BYTES: Final = 100
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AskedFor:
    """What somebody asked for, as they said it."""

    holder: Holder
    groups: tuple[str, ...] = ()
    size: str | None = None
    memory_mib: int | None = None
    compute_milli: int | None = None
    gpus: int | None = None
    gpu_type: str | None = None
    pool: str | None = None


def asked_for_slice(request: SliceRequest) -> AskedFor:
    """Return what a notebook server asks for."""
    return AskedFor(
        Holder.NOTEBOOK,
        groups=request.groups,
        size=request.size,
        memory_mib=request.memory_mib,
        compute_milli=request.compute_milli,
        gpu_type=request.gpu_type,
        pool=request.pool,
    )


def asked_for_size(record: SliceRecord, new: NewSize) -> AskedFor:
    """Return what an owner asks for who wants a slice to have another size."""
    return AskedFor(
        Holder.NOTEBOOK,
        groups=record.member_of,
        size=new.size,
        memory_mib=new.memory_mib,
        compute_milli=new.compute_milli,
        gpu_type=record.gpu.type,
        pool=record.pool,
    )


def asked_for_job(request: JobRequest, groups: tuple[str, ...]) -> AskedFor:
    """Return what a new job asks for."""
    return AskedFor(
        Holder.JOB,
        groups=groups,
        memory_mib=request.asked_mib,
        compute_milli=request.compute_milli,
        gpus=request.gpus,
        gpu_type=request.gpu_type,
    )


def asked_for_again(job: JobRecord, groups: tuple[str, ...]) -> AskedFor:
    """Return what a job asks for that is submitted like one before."""
    return AskedFor(
        Holder.JOB,
        groups=groups,
        memory_mib=job.memory_mib,
        compute_milli=job.compute_milli,
        gpus=job.gpus,
        gpu_type=job.gpu_type,
    )


class Refusals:
    """The refusals that wait to be stored, and those that are."""

    def __init__(
        self,
        store: RefusalStore,
        now: Callable[[], datetime],
        count: Callable[[Refusal, Holder, Sequence[str]], None] = lambda *_: None,
    ) -> None:
        """``count`` is told each refusal, whose, and the hub's groups of whoever asked."""
        self._count = count
        self._store = store
        self._now = now
        self._waiting: dict[str, RefusalRecord] = {}
        self._of_owner: Counter[str] = Counter()
        self._turn = asyncio.Lock()

    def note(self, owner: str, asked: AskedFor, refusal: Refusal) -> None:
        """Note that a request was refused; it is stored soon."""
        self._count(refusal, asked.holder, asked.groups)
        record = _record_of(owner, asked, refusal, self._now())
        known = self._waiting.get(record.alike)
        if known is not None:
            self._waiting[record.alike] = known.plus(record)
        elif len(self._waiting) < MOST_WAITING and self._of_owner[owner] < MOST_WAITING_OF_OWNER:
            self._waiting[record.alike] = record
            self._of_owner[owner] += 1

    async def store(self) -> None:
        """Store what waits, in another thread; after an error it waits on."""
        async with self._turn:
            waiting = self._take()
            if not waiting:
                return
            try:
                await asyncio.to_thread(self._store.add, tuple(waiting.values()))
            except LedgerWriteError as error:
                self._give_back(waiting)
                _LOG.warning("%d refusals are stored later: %s", len(waiting), error)

    def store_at_end(self) -> None:
        """Store what waits, as the service ends. ``LedgerWriteError``."""
        waiting = self._take()
        if waiting:
            self._store.add(tuple(waiting.values()))

    def newest(
        self, query: RefusalQuery, before: Place | None, most: int
    ) -> tuple[RefusalRecord, ...]:
        """Return stored refusals before a place, those told last first. ``LedgerReadError``."""
        return self._store.newest(query, before, most)

    async def sums(self, query: RefusalQuery) -> tuple[CodeSum, ...]:
        """Return how often each code was told. ``LedgerReadError``."""
        await self.store()
        return await asyncio.to_thread(self._store.sums, query)

    async def of_askers(self, query: RefusalQuery) -> tuple[AskerSum, ...]:
        """Return how often each code was told to whom. ``LedgerReadError``."""
        await self.store()
        return await asyncio.to_thread(self._store.of_askers, query)

    def forget_before(self, cutoff: datetime) -> None:
        """Delete what was told last before. ``LedgerWriteError``."""
        self._store.forget_before(cutoff)

    def _take(self) -> dict[str, RefusalRecord]:
        taken, self._waiting = self._waiting, {}
        self._of_owner.clear()
        return taken

    def _give_back(self, waiting: dict[str, RefusalRecord]) -> None:
        later, self._waiting = self._waiting, waiting
        for alike, record in later.items():
            known = waiting.get(alike)
            if known is not None:
                waiting[alike] = known.plus(record)
            elif len(waiting) < MOST_WAITING:
                waiting[alike] = record
        self._of_owner = Counter(record.owner for record in waiting.values())


def _record_of(owner: str, asked: AskedFor, refusal: Refusal, now: datetime) -> RefusalRecord:
    groups = tuple(within_bytes(each, _MOST_GROUP_BYTES) for each in asked.groups[:_MOST_GROUPS])
    values = {
        **asdict(asked),
        "holder": asked.holder.value,
        "groups": groups,
        "memory_mib": _within(asked.memory_mib),
        "compute_milli": _within(asked.compute_milli),
    }
    code = refusal.reason.value
    # Of the groups, no difference: whose quota it was is in the code and its numbers.
    same = [owner, code, {name: value for name, value in values.items() if name != "groups"}]
    written = json.dumps(same, sort_keys=True).encode()
    return RefusalRecord(
        refusal_id=secrets.token_hex(16),
        alike=hashlib.sha256(written).hexdigest(),
        owner=owner,
        code=code,
        numbers={name: _exact(value) for name, value in refusal.numbers.items()},
        message=within_bytes(refusal.message, _MOST_MESSAGE_BYTES),
        times=1,
        first_at=now,
        last_at=now,
        **values,
    )


def _within(amount: int | None) -> int | None:
    """Return an amount that a column holds, of whatever was asked for."""
    return None if amount is None else _exact(amount)


def _exact(number: int) -> int:
    return max(-MOST_EXACT, min(MOST_EXACT, number))
