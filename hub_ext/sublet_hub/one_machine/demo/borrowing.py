"""The fifth act: a group's member wants what the group is guaranteed while others hold the card."""

from typing import Any

from sublet_quota.reasons.ranks import RankCode
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.one_machine.demo.stage import Stage
from sublet_hub.one_machine.demo.story import (
    arrive,
    computes_meanwhile,
    fill,
    tell_what_is_there,
    tell_who_is_where,
)


async def borrowed_is_called_back(stage: Stage) -> None:
    """Play act 5: who borrows makes way alive, is told for whom, and has its place again after."""
    record, owner = stage.record, stage.script.guaranteed
    record.begin(5, "What is guaranteed is wanted: who borrows makes way, alive")
    borrower = await newest_borrower(stage)
    since_s = record.seconds()
    await stage.guarantee(given=True)
    async with computes_meanwhile(stage, borrower):
        record.tell(
            f"group {owner.group} is guaranteed the GPU, and uses nothing of it; {borrower} and the"
            f" others have borrowed all of it, and {borrower} is at work"
        )
        lease = await arrive(stage, owner)
        up_s = record.seconds() - since_s
        record.tell(f"{owner.name}'s server is up after {up_s:.2f} s, with all others there")
        await expect_ranks(stage, borrower)
        outcome = await fill(stage, owner)
        record.tell(
            f"{owner.name} filled {owner.fill_gib:.0f} of {lease['memory_mib'] / 1024:.0f} GiB in"
            f" {outcome.took_s:.2f} s"
        )
        async with computes_meanwhile(stage, owner.name):
            word = await stage.until(
                f"{borrower} to be told why the GPU is away", lambda: called_back(stage, borrower)
            )
            record.tell(f"{borrower} reads in the share: {word}")
            for_whom = await stage.until(
                f"{borrower} to be told for whom",
                lambda: told(stage, borrower, since_s, EventKind.SLICE_CALLED_BACK),
            )
            record.tell(f"and among what has happened: {for_whom}")
            for words in (word, for_whom):
                named = f"due to {owner.group}" in words
                record.expect(named, f"{borrower} is not told that {owner.group} wants the GPU")
            await tell_who_is_where(stage, owner)
    record.facts["called_back"] = {
        "borrower": borrower,
        "for": owner.group,
        "server_up_s": round(up_s, 3),
        "first_cell_s": round(outcome.took_s, 3),
    }
    record.tell(f"{owner.name} is idle: the cell of {borrower} went on where it was, and ended")
    await tell_what_is_there(stage, (borrower, owner.name))
    await leave(stage, owner.name)
    back = await stage.until(
        f"{borrower} to have the place back",
        lambda: told(stage, borrower, since_s, EventKind.SLICE_BROUGHT_BACK),
    )
    record.tell(f"{owner.name} has gone; {borrower} reads: {back}")
    await stage.guarantee(given=False)
    await tell_what_is_there(stage, (role.name for role in stage.script.cast))


async def newest_borrower(stage: Stage) -> str:
    """Return who borrowed last, and so makes way first; slices are told the oldest first."""
    slices = (await stage.gpu())["slices"]
    names = [s["lease"]["owner"] for s in slices if s["lease"]["holder"] == "notebook"]
    return str(names[-1])


async def expect_ranks(stage: Stage, borrower: str) -> None:
    """Note as wrong a slice that is guaranteed and does not count so, or is not called back."""
    sample = await stage.gpu()
    due = ((stage.script.guaranteed.name, RankCode.ENTITLED), (borrower, RankCode.CALLED_BACK))
    for name, rank in due:
        found = stage.slice_named(sample, name)
        is_so = found is not None and found["rank"]["code"] == rank
        stage.record.expect(is_so, f"the slice of {name} is not {rank.value}")


async def called_back(stage: Stage, borrower: str) -> str | None:
    """Return what a borrower's share says once its memory has left for who comes first."""
    share = await stage.people[borrower].service("GET", "share")
    mine: dict[str, Any] = share["slices"][0]
    report = mine["report"] or {}
    wait = report.get("wait") or {}
    left = report.get("state") == "suspended"
    if not left or wait.get("reason") != WaitReason.CALLED_BACK:
        return None
    return str(mine["rank"]["meaning"])


async def told(stage: Stage, owner: str, since_s: float, kind: EventKind) -> str | None:
    """Return the words of an event of an owner's own, once there is one of this kind."""
    events = await stage.events_since(since_s, stage.people[owner])
    return next((str(each["detail"]) for each in events if each["kind"] == kind), None)


async def leave(stage: Stage, owner: str) -> None:
    """Stop an owner's server, and wait until the slice is gone."""
    stage.kernels.pop(owner).close()
    await stage.people[owner].stop_server()

    async def gone() -> bool:
        return stage.slice_named(await stage.gpu(), owner) is None

    await stage.until(f"the slice of {owner} to be gone", gone)
