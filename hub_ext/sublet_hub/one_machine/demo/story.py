"""The first four acts, played by three owners and a training job on one GPU."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.one_machine.demo.jupyter_client import CellOutcome
from sublet_hub.one_machine.demo.record import GiveBack
from sublet_hub.one_machine.demo.stage import Casting, Stage
from sublet_hub.one_machine.demo.training import (
    expect_same_training,
    job_that_is,
    reason_to_wait,
    result_of,
    submit,
    training_holds,
)

_STEPS_MEANWHILE: Final = 5
"""So many things are waited for, at the most, while somebody computes."""


async def curtain(stage: Stage) -> None:
    """Log in, start servers with slices, open kernels."""
    record = stage.record
    record.begin(0, "Three owners log in and get a slice each")
    await form_groups(stage)
    leases = await asyncio.gather(*(arrive(stage, role) for role in stage.script.cast))
    total_mib = leases[0]["gpu_memory_mib"]
    promised_mib = sum(lease["memory_mib"] for lease in leases)
    record.tell(
        f"promised {promised_mib / 1024:.0f} GiB on a GPU of {total_mib / 1024:.0f} GiB:"
        f" overcommit {promised_mib / total_mib:.2f}"
    )
    record.facts["gpu_memory_mib"] = total_mib
    record.facts["promised_mib"] = promised_mib


async def form_groups(stage: Stage) -> None:
    """Make the hub's groups, as its admin."""
    members: dict[str, list[str]] = {}
    for role in stage.script.everybody:
        members.setdefault(role.group, []).append(role.name)
        await stage.admin.call("POST", f"/hub/api/users/{role.name}")
    for group, names in members.items():
        await stage.admin.call("POST", f"/hub/api/groups/{group}")
        await stage.admin.call("POST", f"/hub/api/groups/{group}/users", {"users": names})
    told = "; ".join(f"{group}: {', '.join(names)}" for group, names in members.items())
    stage.record.tell(f"the hub's groups are {told}")


async def arrive(stage: Stage, role: Casting) -> dict[str, Any]:
    """Log one owner in, and open a kernel on a server with a slice; return the slice's lease."""
    person = stage.people[role.name]
    await person.log_in()
    await person.start_server({"size": role.size})
    share = await person.service("GET", "share")
    lease: dict[str, Any] = share["slices"][0]["lease"]
    stage.record.tell(
        f"{role.name} has a slice of {lease['memory_mib'] / 1024:.0f} GiB on"
        f" {lease['gpu_type']} ({'simulated' if lease['simulated'] else 'real'})"
    )
    stage.kernels[role.name] = await person.open_kernel()
    return lease


async def owners_share(stage: Stage) -> None:
    """Play act 1: each fills theirs in turn; two who compute at once take turns."""
    record = stage.record
    record.begin(1, "Each fills their slice; who is idle makes room")
    for role in stage.script.cast:
        filled = await fill(stage, role)
        record.tell(f"{role.name} filled {role.fill_gib:.0f} GiB in {filled.took_s:.2f} s")
        await tell_who_is_where(stage)
        await stage.until_idle(role.name)
    first, second, _ = stage.script.cast
    record.tell(f"{first.name} and {second.name} compute at once; they do not fit together")
    if stage.before_first_return is not None:
        stage.before_first_return(stage.pids[first.name])
    rounds = stage.script.compute_rounds
    outcomes = await asyncio.gather(
        *(
            stage.run(role.name, stage.cells.compute(rounds), stage.script.turns_patience_s)
            for role in (first, second)
        )
    )
    for role, outcome in zip((first, second), outcomes, strict=True):
        if outcome is not None:
            record.tell(
                f"{role.name} had {rounds * 0.05:.1f} s of GPU time in {outcome.took_s:.1f} s"
            )
    events = await stage.admin.service("GET", "events")
    turns = sum(e["kind"] == EventKind.SUSPENDED for e in events)
    record.expect(turns > 0, "nobody was suspended although they do not fit together")
    record.tell(f"{turns} suspends so far, no error")


async def fill(stage: Stage, role: Casting) -> CellOutcome:
    """Have an owner fill the slice, in a process to be known again. ``RuntimeError``."""
    outcome = await stage.run(role.name, stage.cells.fill(role.fill_gib, role.seed))
    if outcome is None:
        message = f"{role.name} could not fill the slice"
        raise RuntimeError(message)
    stage.pids[role.name] = outcome.value()["pid"]
    return outcome


async def tell_what_is_there(stage: Stage, owners: Iterable[str]) -> None:
    """Look at each owner's memory in turn, and say so where all of it is there."""
    for owner in owners:
        if await stage.look(owner) is not None:
            stage.record.tell(f"{owner}: every variable and byte is there")


async def tell_who_is_where(stage: Stage, *further: Casting) -> None:
    """Say where each owner's memory is, and that of further ones."""
    sample = await stage.gpu()
    words = []
    for role in (*stage.script.cast, *further):
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
    """Play act 2: a job waits with its reason, then trains on what is idle."""
    record = stage.record
    record.begin(2, "A training notebook is submitted as a job, and borrows what is idle")
    submitter = stage.submitter
    busy = stage.script.cast[0].name
    await submitter.put_notebook(
        stage.script.training_notebook.name,
        json.loads(stage.script.training_notebook.read_text(encoding="utf-8")),
    )
    async with computes_meanwhile(stage, busy):
        stage.job_id = await submit(stage, submitter, "digits")
        told = await stage.until("the job's reason to wait", lambda: reason_to_wait(stage))
        record.tell(f"the job waits: {told}")
    job = await stage.until("the job to run", lambda: job_that_is(stage, "running"))
    lent = [s["lease"]["owner"] for s in (await stage.gpu())["slices"] if s["lent_to"]]
    record.tell(
        f"every owner is idle: the job trains with {job['memory_mib'] / 1024:.0f} GiB;"
        f" lent by {', '.join(sorted(set(lent))) or 'nobody'}"
    )
    training = await stage.until("the training to take GPU memory", lambda: training_holds(stage))
    stage.training_pids = tuple(training["slice"]["report"]["pids"])
    await tell_who_is_where(stage)


@contextlib.asynccontextmanager
async def computes_meanwhile(stage: Stage, owner: str, call_s: float = 0.05) -> AsyncIterator[None]:
    """Have an owner run one cell while the block lasts, and be at work before it.

    ``call_s``: how long the GPU computes for each of the cell's calls.
    """
    longest_s = _STEPS_MEANWHILE * stage.script.patience_s
    with tempfile.TemporaryDirectory(prefix="sublet-demo-") as folder:
        enough = Path(folder) / "enough"
        cell = stage.cells.work(enough, call_s)
        computing = asyncio.ensure_future(stage.run(owner, cell, longest_s))
        try:
            await stage.until_active(owner)
            yield
        except BaseException:
            computing.cancel()
            raise
        finally:
            enough.touch()
            await asyncio.wait((computing,))
        computing.result()


async def owners_return(stage: Stage) -> None:
    """Play act 3: owners run cells while training has the GPU."""
    record = stage.record
    record.begin(3, "Owners run a cell: their GPU comes back")
    small, large = stage.script.cast[2].name, stage.script.cast[0].name
    for owner, expected in ((small, "paused"), (large, "suspended")):
        training = await stage.until("training to go on", lambda: training_holds(stage))
        await give_back(stage, owner, training["slice"]["lease"]["slice_id"], expected)
        await stage.until_idle(owner)
        record.tell(f"{owner} is idle again")


async def give_back(stage: Stage, owner: str, training_slice: str, expected: str) -> None:
    """Measure one give-back: an owner runs a cell while training has the GPU."""
    record = stage.record
    before = record.seconds()
    seen = await stage.look(owner)
    if seen is None:
        message = f"{owner} did not get the GPU back"
        raise RuntimeError(message)
    events = await stage.until(
        f"the agent's account of how {owner} came back", lambda: return_of(stage, owner, before)
    )
    training = [e for e in events if e["slice_id"] == training_slice]
    paused = next((e for e in training if e["kind"] == EventKind.PAUSED), None)
    was = "suspended" if any(e["kind"] == EventKind.SUSPENDED for e in training) else "paused"
    stopped_after = None
    if paused is not None:
        stopped_after = record.seconds(datetime.fromisoformat(paused["at"])) - before
    moved = sum(
        e["bytes_mib"] for e in events if e["kind"] in (EventKind.SUSPENDED, EventKind.RESUMED)
    )
    wait_s = max(0.0, seen["took_s"])
    record.give_backs.append(GiveBack(owner, before, was, wait_s, stopped_after, moved))
    record.expect(paused is not None, f"training was not paused when {owner} ran a cell")
    record.expect(was == expected, f"training was {was} for {owner}, not {expected}")
    stopped = "" if stopped_after is None else f", training stopped after {stopped_after:.3f} s"
    record.tell(
        f"{owner} ran a cell: training {was}{stopped}; {moved / 1024:.0f} GiB moved; the cell's"
        f" result after {wait_s:.2f} s; every variable and byte is there"
    )


async def return_of(stage: Stage, owner: str, since_s: float) -> list[dict[str, Any]] | None:
    """Return the agent's events since then, once they tell that this owner's gate opened.

    ``None`` before. The agent tells its events in their order: what it did before is among them.
    """
    notebook = stage.slice_named(await stage.gpu(), owner)
    events = await stage.events_since(since_s)
    opened = [
        event
        for event in events
        if notebook is not None
        and event["kind"] == EventKind.GATE_OPENED
        and event["slice_id"] == notebook["lease"]["slice_id"]
    ]
    return events if opened else None


async def training_ends(stage: Stage) -> None:
    """Play act 4: training goes on where it was, ends, and comes to what a quiet run comes to."""
    record = stage.record
    record.begin(4, "Training goes on where it was, and ends")
    job = await stage.until("the job to end", lambda: job_that_is(stage, "done"))
    disturbed = await result_of(stage, job)
    record.tell(
        f"done: {disturbed['steps']} steps in process {disturbed['pid']}, accuracy"
        f" {disturbed['accuracy']:.3f}; notebook {job['output_notebook']}"
    )
    expect_same_training(stage, job, disturbed)
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
    await tell_what_is_there(stage, (role.name for role in stage.script.cast))
    for event in await stage.admin.service("GET", "events"):
        told = f"the agent reports {event['owner']}'s slice lost: {event['detail']}"
        record.expect(event["kind"] != EventKind.LOST, told)
