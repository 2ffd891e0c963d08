"""The stage of the story: the cast, their numbers, and what the acts have in common."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.one_machine.demo.cells import Cells
from sublet_hub.one_machine.demo.jupyter_client import CellError, CellOutcome, Kernel, Person
from sublet_hub.one_machine.demo.record import Record


@dataclass(frozen=True, slots=True)
class Casting:
    """A player: name, group, size of slice, how much they fill."""

    name: str
    group: str
    size: str
    fill_gib: float
    seed: int


@dataclass(frozen=True, slots=True)
class Script:
    """The numbers of the story."""

    cast: tuple[Casting, Casting, Casting]
    guaranteed: Casting
    """Who comes in the fifth act: a member of the group that is guaranteed the card."""
    late: Casting
    """Who comes in the sixth act, when all is handed out."""
    training_notebook: Path
    training: dict[str, Any]
    compute_rounds: int = 50
    patience_s: float = 120.0
    """How long to wait for anything; ``turns_patience_s``: for those who compute at once."""
    turns_patience_s: float = 120.0

    @property
    def everybody(self) -> tuple[Casting, ...]:
        """All players."""
        return (*self.cast, self.guaranteed, self.late)


@dataclass(slots=True)
class Stage:
    """The means that the acts use: people, kernels, cells, and the record."""

    record: Record
    script: Script
    cells: Cells
    admin: Person
    people: dict[str, Person]
    kernels: dict[str, Kernel] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)
    job_id: str = ""
    training_pids: tuple[int, ...] = ()
    """The pids of the job's processes on the GPU when it was first seen training."""
    set_guarantee: Callable[[bool], object] | None = None
    """Writes a quota document with a guarantee, or without; ``None``: it stays as it is."""
    before_first_return: Callable[[int], None] | None = None
    """Called with a suspended process's pid to break it, to show that the demo tells it."""

    @property
    def submitter(self) -> Person:
        """The person who submits the training notebook: the last of the cast."""
        return self.people[self.script.cast[2].name]

    def slice_named(self, sample: dict[str, Any], owner: str) -> dict[str, Any] | None:
        """Return the notebook slice of an owner in a sample of ``api/gpus``, or ``None``."""
        return next(
            (
                s
                for s in sample["slices"]
                if s["lease"]["owner"] == owner and s["lease"]["holder"] == "notebook"
            ),
            None,
        )

    async def gpu(self) -> dict[str, Any]:
        """Return the demo's GPU as the admin sees it."""
        gpus = await self.admin.service("GET", "gpus")
        first: dict[str, Any] = gpus[0]
        return first

    async def until(self, what: str, holds: Callable[[], Awaitable[Any]]) -> Any:
        """Wait until ``holds`` answers something true, and return that.

        ``TimeoutError`` where that is in vain; ``what`` says for what.
        """
        patience_s = self.script.patience_s
        ends = self.record.seconds() + patience_s
        while self.record.seconds() < ends:
            found = await holds()
            if found:
                return found
            await asyncio.sleep(0.1)
        message = f"{what}: waited {patience_s:g} s in vain"
        raise TimeoutError(message)

    async def guarantee(self, *, given: bool) -> None:
        """Put the guarantee of the act about it in force, or end it."""
        if self.set_guarantee is not None:
            self.set_guarantee(given)
            await self.admin.service("POST", "quota/reload")

    async def until_idle(self, owner: str) -> None:
        """Wait until the agent calls this owner idle."""
        await self.until(f"{owner} to be idle", lambda: self._counts_as(owner, active=False))

    async def until_active(self, owner: str) -> None:
        """Wait until the agent calls this owner active."""
        await self.until(f"{owner} to be active", lambda: self._counts_as(owner, active=True))

    async def _counts_as(self, owner: str, *, active: bool) -> bool:
        found = self.slice_named(await self.gpu(), owner)
        return bool(found and found["report"] and found["report"]["active"] is active)

    async def run(
        self, owner: str, code: str, timeout_s: float | None = None
    ) -> CellOutcome | None:
        """Run a cell and return its outcome; ``None`` after a loss, which is noted.

        A loss is an error, no end within ``timeout_s`` (by default the script's patience), and
        what the agent tells as lost.
        """
        timeout_s = self.script.patience_s if timeout_s is None else timeout_s
        running = asyncio.ensure_future(self.kernels[owner].run(code, timeout_s))
        losing = asyncio.ensure_future(self._until_lost(owner))
        try:
            await asyncio.wait((running, losing), return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                self.record.expect(held=False, otherwise=losing.result())
                return None
            return running.result()
        except (CellError, TimeoutError, ConnectionError) as error:
            what = str(error) or f"no end within {timeout_s:g} s"
            self.record.expect(held=False, otherwise=f"a cell of {owner} ended with: {what}")
            return None
        finally:
            for each in (running, losing):
                each.cancel()
            await asyncio.gather(running, losing, return_exceptions=True)

    async def events_since(self, at_s: float, who: Person | None = None) -> list[dict[str, Any]]:
        """Return the events since then, in seconds of the record: asked for again and again.

        All of them, or those that ``who`` is shown.
        """
        since = self.record.began + timedelta(seconds=at_s - 0.001)
        found: list[dict[str, Any]] = await (who or self.admin).service(
            "GET", f"events?{urlencode({'since': since.isoformat()})}"
        )
        return found

    async def _until_lost(self, owner: str) -> str:
        while True:
            await asyncio.sleep(1)
            for event in await self.admin.service("GET", "events"):
                if event["kind"] == EventKind.LOST and event["owner"] == owner:
                    return f"the notebook of {owner} is lost: {event['detail']}"

    async def look(self, owner: str) -> dict[str, Any] | None:
        """Let an owner look whether everything is there; return what was seen, or ``None``."""
        outcome = await self.run(owner, self.cells.check())
        if outcome is None:
            return None
        seen: dict[str, Any] = outcome.value()
        seed = next(role.seed for role in self.script.everybody if role.name == owner)
        record = self.record
        record.expect(
            seen["intact"], f"the GPU memory of {owner} is not what it was: its hash differs"
        )
        record.expect(
            seen["answer"] == seed * 7, f"a variable of {owner} is {seen['answer']}, not {seed * 7}"
        )
        record.expect(
            seen["pid"] == self.pids[owner], f"the kernel of {owner} is another process than before"
        )
        return {**seen, "took_s": outcome.took_s}
