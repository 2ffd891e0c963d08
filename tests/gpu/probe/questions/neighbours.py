"""Several processes of one card, moved and locked at the same time."""

import time

from tests.gpu.probe.answers import Answer, Verdict, question
from tests.gpu.probe.lab import MOVES_WITHIN_S, Lab, RunningCall, bytes_of


@question(
    "two-at-once",
    "two processes are checkpointed at the same time, and restored at the same time",
    180,
)
def two_at_once(lab: Lab) -> Answer:
    mib = lab.sized(1024)
    pair = [lab.target(mib), lab.target(mib)]
    seen: dict[str, object] = {}
    for step in ("lock", "checkpoint", "restore", "unlock"):
        calls = [lab.begin(step, each.pid) for each in pair]
        seen[step] = [_came(call) for call in calls]
    seen["bytes"] = held = [bytes_of(each) for each in pair]
    return Answer(Verdict.WORKS if held == ["intact"] * 2 else Verdict.DAMAGED, seen)


@question(
    "lock-during-restore",
    "one process is restored while its neighbours are locked and unlocked",
    180,
)
def lock_during_restore(lab: Lab) -> Answer:
    moved, *others = [lab.target(mib) for mib in (lab.sized(4096), 64, 64)]
    for each in others:
        each.begin("gpu.compute(6)")
    lab.suspend(moved.pid)
    restoring = lab.begin("restore", moved.pid)
    locks = []
    while restoring.process.poll() is None and len(locks) < 20:
        for each in others:
            told = lab.call("lock", each.pid)
            locks.append((told["code"], told.get("seconds")))
            lab.call("unlock", each.pid)
    told = restoring.result(MOVES_WITHIN_S)
    back = lab.bring_back(moved)
    for each in others:
        each.end()
    held = [back["bytes"], *(bytes_of(each) for each in others)]
    seen = {"restore": told, "locks meanwhile": locks, "bytes": held}
    if told is None or any(code is None for code, _ in locks):
        return Answer(Verdict.HUNG, seen)
    return Answer(Verdict.WORKS if held == ["intact"] * 3 else Verdict.DAMAGED, seen)


@question(
    "two-calls-for-one", "lock and get-state of one process from four callers at the same time", 120
)
def two_calls_for_one(lab: Lab) -> Answer:
    target = lab.target()
    began = time.monotonic()
    calls = [lab.begin(each, target.pid) for each in ("lock", "get-state", "lock", "get-state")]
    came = [_came(call) for call in calls]
    back = lab.bring_back(target)
    seen = {"calls": came, "after": round(time.monotonic() - began, 3), "back": back}
    if None in came:
        return Answer(Verdict.HUNG, seen)
    return Answer(Verdict.MEASURED if back["bytes"] == "intact" else Verdict.DAMAGED, seen)


def _came(call: RunningCall) -> object:
    told = call.result()
    if told is None:
        call.kill()
        return None
    return told["word"] or told["code"]
