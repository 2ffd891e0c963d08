"""The story in four acts, played by three owners and a training job on one GPU."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sublet_hub.demo.cells import Cells
from sublet_hub.demo.kernels import CellError, CellOutcome, Kernel, Person
from sublet_hub.demo.record import GiveBack, Record

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Casting:
    """Who plays: name, size of slice, how much they fill."""

    name: str
    size: str
    fill_gib: float
    seed: int


@dataclass(frozen=True, slots=True)
class Script:
    """The numbers of the story."""

    cast: tuple[Casting, Casting, Casting]
    training_notebook: Path
    training: dict[str, Any]
    compute_rounds: int = 100


@dataclass(slots=True)
class Stage:
    """Everything the acts use."""

    record: Record
    script: Script
    cells: Cells
    admin: Person
    people: dict[str, Person]
    kernels: dict[str, Kernel] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)
    job_id: str = ""
    before_give_back: Callable[[int], None] | None = None
    """Breaks the process of this pid on purpose, to show that the demo tells it."""

    @property
    def submitter(self) -> Person:
        """Who submits the training notebook: the last of the cast."""
        return self.people[self.script.cast[2].name]

    def slice_named(self, sample: dict[str, Any], owner: str) -> dict[str, Any] | None:
        """The notebook slice of an owner in a sample of ``api/gpus``."""
        return next(
            (
                s
                for s in sample["slices"]
                if s["lease"]["owner"] == owner and s["lease"]["holder"] == "notebook"
            ),
            None,
        )

    async def gpu(self) -> dict[str, Any]:
        """The demo's GPU as the admin sees it."""
        gpus = await self.admin.service("GET", "gpus")
        first: dict[str, Any] = gpus[0]
        return first

    async def until(
        self, what: str, holds: Callable[[], Awaitable[Any]], patience_s: float = PATIENCE_S
    ) -> Any:
        """Wait until ``holds`` answers something true; what never comes is told as wrong."""
        ends = self.record.seconds() + patience_s
        while self.record.seconds() < ends:
            found = await holds()
            if found:
                return found
            await asyncio.sleep(0.1)
        message = f"{what}: waited {patience_s:g} s in vain"
        raise TimeoutError(message)

    async def until_idle(self, *owners: str) -> None:
        """Wait until the agent calls these owners idle."""

        async def all_idle() -> bool:
            sample = await self.gpu()
            slices = [self.slice_named(sample, owner) for owner in owners]
            return all(s and s["report"] and not s["report"]["active"] for s in slices)

        await self.until(f"{', '.join(owners)} to be idle", all_idle)

    async def run(self, owner: str, code: str, timeout_s: float = PATIENCE_S) -> CellOutcome | None:
        """Run a cell; an error, or no end, is a loss, and so is what the agent tells as lost."""
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

    async def _until_lost(self, owner: str) -> str:
        while True:
            await asyncio.sleep(1)
            for event in await self.admin.service("GET", "events"):
                if event["kind"] == "lost" and event["owner"] == owner:
                    return f"the notebook of {owner} is lost: {event['detail']}"

    async def look(self, owner: str) -> dict[str, Any] | None:
        """Let an owner look whether everything is there."""
        outcome = await self.run(owner, self.cells.check())
        if outcome is None:
            return None
        seen: dict[str, Any] = outcome.value()
        seed = next(c.seed for c in self.script.cast if c.name == owner)
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


async def play(stage: Stage) -> None:
    """Play the four acts. What goes wrong is in the record; a time-out ends the story."""
    await curtain(stage)
    await owners_share(stage)
    await training_borrows(stage)
    await owners_return(stage)
    await training_ends(stage)


async def curtain(stage: Stage) -> None:
    """Log in, start servers with slices, open kernels."""
    record = stage.record
    record.begin(0, "Three owners log in and get a slice each")
    total_mib = promised_mib = 0
    for role in stage.script.cast:
        person = stage.people[role.name]
        await person.log_in()
        said: list[str] = []
        await person.start_server({"size": role.size}, said.append)
        share = await person.service("GET", "share")
        lease = share["slices"][0]["lease"]
        total_mib, promised_mib = lease["gpu_memory_mib"], promised_mib + lease["memory_mib"]
        record.tell(
            f"{role.name} has a slice of {lease['memory_mib'] / 1024:.0f} GiB on"
            f" {lease['gpu_type']} ({'simulated' if lease['simulated'] else 'real'})"
        )
        stage.kernels[role.name] = await person.open_kernel()
    record.tell(
        f"promised {promised_mib / 1024:.0f} GiB on a GPU of {total_mib / 1024:.0f} GiB:"
        f" overcommit {promised_mib / total_mib:.2f}"
    )
    record.facts["gpu_memory_mib"] = total_mib
    record.facts["promised_mib"] = promised_mib


async def owners_share(stage: Stage) -> None:
    """Act 1: each fills theirs in turn; two who compute at once take turns."""
    record = stage.record
    record.begin(1, "Each fills their slice; who is idle makes room")
    for role in stage.script.cast:
        outcome = await stage.run(role.name, stage.cells.fill(role.fill_gib, role.seed))
        if outcome is None:
            message = f"{role.name} could not fill the slice"
            raise RuntimeError(message)
        stage.pids[role.name] = outcome.value()["pid"]
        record.tell(f"{role.name} filled {role.fill_gib:.0f} GiB in {outcome.took_s:.2f} s")
        await tell_who_is_where(stage)
        await stage.until_idle(role.name)
    first, second, _ = stage.script.cast
    record.tell(f"{first.name} and {second.name} compute at once; they do not fit together")
    rounds = stage.script.compute_rounds
    outcomes = await asyncio.gather(
        *(stage.run(role.name, stage.cells.compute(rounds)) for role in (first, second))
    )
    for role, outcome in zip((first, second), outcomes, strict=True):
        if outcome is not None:
            record.tell(
                f"{role.name} had {rounds * 0.05:.1f} s of GPU time in {outcome.took_s:.1f} s"
            )
    events = await stage.admin.service("GET", "events")
    turns = sum(e["kind"] == "suspended" for e in events)
    record.expect(turns > 0, "nobody was suspended although they do not fit together")
    record.tell(f"{turns} suspends so far, no error")


async def tell_who_is_where(stage: Stage) -> None:
    """Say where each owner's memory is."""
    sample = await stage.gpu()
    words = []
    for role in stage.script.cast:
        found = stage.slice_named(sample, role.name)
        if found and found["report"]:
            report = found["report"]
            held = report["memory_mib"] / 1024
            kept = report["host_mib"] / 1024
            where = f"{held:.0f} GiB on the GPU"
            if report["state"] == "suspended":
                where = f"suspended, {kept:.0f} GiB in host memory"
            words.append(f"{role.name} {where}")
    stage.record.tell("  " + "; ".join(words))


async def training_borrows(stage: Stage) -> None:
    """Act 2: a job waits with its reason, then trains on what is idle."""
    record = stage.record
    record.begin(2, "A training notebook is submitted as a job, and borrows what is idle")
    submitter = stage.submitter
    busy = stage.script.cast[0].name
    await submitter.put_notebook(
        stage.script.training_notebook.name,
        json.loads(stage.script.training_notebook.read_text(encoding="utf-8")),
    )
    computing = asyncio.ensure_future(stage.run(busy, stage.cells.compute(60)))
    await asyncio.sleep(1)
    stage.job_id = await submit(stage, submitter, "digits")
    told = await stage.until("the job's reason to wait", lambda: reason_to_wait(stage))
    record.tell(f"the job waits: {told}")
    await computing
    job = await stage.until("the job to run", lambda: job_that_is(stage, "running"))
    lent = [s["lease"]["owner"] for s in (await stage.gpu())["slices"] if s["lent_to"]]
    record.tell(
        f"every owner is idle: the job trains with {job['memory_mib'] / 1024:.0f} GiB;"
        f" lent by {', '.join(sorted(set(lent))) or 'nobody'}"
    )
    await stage.until("the training to take GPU memory", lambda: training_holds(stage))
    await tell_who_is_where(stage)


async def submit(stage: Stage, submitter: Person, name: str) -> str:
    """Submit the training notebook; return the job's id."""
    job = await submitter.service(
        "POST",
        "jobs",
        {
            "notebook": stage.script.training_notebook.name,
            "name": name,
            "parameters": stage.script.training,
            "memory_mib": "whole",
        },
    )
    job_id: str = job["job_id"]
    return job_id


async def job_of(stage: Stage, job_id: str) -> dict[str, Any]:
    """The job as its owner sees it; a failed one is a loss."""
    submitter = stage.submitter
    job: dict[str, Any] = await submitter.service("GET", f"jobs/{job_id}")
    if job["state"] in ("failed", "cancelled"):
        message = f"the training job {job['state']}: {job['reason']}"
        raise RuntimeError(message)
    return job


async def reason_to_wait(stage: Stage) -> str | None:
    """The reason a waiting job gives."""
    job = await job_of(stage, stage.job_id)
    return job["reason"] if job["state"] in ("waiting", "placed") else None


async def job_that_is(stage: Stage, *states: str) -> dict[str, Any] | None:
    """The job, once it is in one of these states."""
    job = await job_of(stage, stage.job_id)
    return job if job["state"] in states else None


async def training_holds(stage: Stage) -> dict[str, Any] | None:
    """The job, once its slice holds GPU memory and its gate is open."""
    job = await job_of(stage, stage.job_id)
    report = (job["slice"] or {}).get("report") or {}
    holds = report.get("memory_mib", 0) > stage.script.training["hold_gib"] * 1024
    return job if holds and report["gate_open"] else None


async def owners_return(stage: Stage) -> None:
    """Act 3: owners run cells while training has the GPU."""
    record = stage.record
    record.begin(3, "Owners run a cell: their GPU comes back")
    small, large = stage.script.cast[2].name, stage.script.cast[0].name
    for owner, expected in ((small, "paused"), (large, "suspended")):
        await stage.until("training to go on", lambda: training_holds(stage))
        await give_back(stage, owner, expected)
        await stage.until_idle(owner)
        record.tell(f"{owner} is idle again")


async def give_back(stage: Stage, owner: str, expected: str) -> None:
    """One give-back, measured."""
    record = stage.record
    if stage.before_give_back is not None:
        stage.before_give_back(stage.pids[owner])
    before = record.seconds()
    seen = await stage.look(owner)
    if seen is None:
        message = f"{owner} did not get the GPU back"
        raise RuntimeError(message)
    await asyncio.sleep(0.3)
    events = await events_since(stage, before)
    job = await job_of(stage, stage.job_id)
    job_slice = job["slice"]["lease"]["slice_id"] if job["slice"] else None
    training = [e for e in events if e["slice_id"] == job_slice]
    paused = next((e for e in training if e["kind"] == "paused"), None)
    was = "suspended" if any(e["kind"] == "suspended" for e in training) else "paused"
    stopped_after = None
    if paused is not None:
        stopped_after = record.seconds(datetime.fromisoformat(paused["at"])) - before
    moved = sum(e["bytes_mib"] for e in events if e["kind"] in ("suspended", "resumed"))
    wait_s = max(0.0, seen["took_s"])
    record.give_backs.append(GiveBack(owner, before, was, wait_s, stopped_after, moved))
    record.expect(paused is not None, f"training was not paused when {owner} ran a cell")
    record.expect(was == expected, f"training was {was} for {owner}, not {expected}")
    stopped = "" if stopped_after is None else f", training stopped after {stopped_after:.3f} s"
    record.tell(
        f"{owner} ran a cell: training {was}{stopped}; {moved / 1024:.0f} GiB moved; the cell's"
        f" result after {wait_s:.2f} s; every variable and byte is there"
    )


async def events_since(stage: Stage, at_s: float) -> list[dict[str, Any]]:
    """The agent's events since then."""
    events = await stage.admin.service("GET", "events")
    return [
        e for e in events if stage.record.seconds(datetime.fromisoformat(e["at"])) >= at_s - 0.001
    ]


async def training_ends(stage: Stage) -> None:
    """Act 4: training goes on where it was, ends, and its result is that of a quiet run."""
    record = stage.record
    record.begin(4, "Training goes on where it was, and ends")
    job = await stage.until("the job to end", lambda: job_that_is(stage, "done"))
    disturbed = await result_of(stage, job)
    record.tell(
        f"done: {disturbed['steps']} steps in process {disturbed['pid']}, accuracy"
        f" {disturbed['accuracy']:.3f}; notebook {job['output_notebook']}"
    )
    record.expect(disturbed["gpu_memory_intact"], "the training's GPU memory is not what it was")
    record.tell("the same notebook once more, with nobody to disturb it")
    submitter = stage.submitter
    stage.job_id = await submit(stage, submitter, "digits-undisturbed")
    again = await stage.until("the undisturbed job", lambda: job_that_is(stage, "done"))
    quiet = await result_of(stage, again)
    record.expect(
        disturbed["weights"] == quiet["weights"],
        "the final weights differ from those of a run that nobody disturbed",
    )
    record.tell(f"same final weights: {disturbed['weights'][:16]}")
    record.facts["weights"] = disturbed["weights"]
    for role in stage.script.cast:
        if await stage.look(role.name) is not None:
            record.tell(f"{role.name}: every variable and byte is there")
    for event in await stage.admin.service("GET", "events"):
        told = f"the agent reports {event['owner']}'s slice lost: {event['detail']}"
        record.expect(event["kind"] != "lost", told)


async def result_of(stage: Stage, job: dict[str, Any]) -> dict[str, Any]:
    """What the executed notebook printed last."""
    submitter = stage.submitter
    # The server knows its notebooks by their path below its own folder.
    path = job["output_notebook"]
    notebook = await submitter.get_notebook(path[path.index("sublet-jobs/") :])
    printed = [
        output["text"]
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if output.get("name") == "stdout"
    ]
    text = printed[-1] if isinstance(printed[-1], str) else "".join(printed[-1])
    result: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return result
