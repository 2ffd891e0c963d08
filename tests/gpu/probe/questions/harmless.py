"""Questions that move only what the probe itself holds, as the agent does every day."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.gpu.probe.answers import Answer, Verdict, not_here, question
from tests.gpu.probe.caller import PLAIN_USER
from tests.gpu.probe.lab import MOVES_WITHIN_S, Lab, bytes_of
from tests.support.tenants import TenantError

_LARGE_MIB = 4096


@question("canary", "a small process is suspended and resumed, its bytes compared")
def canary(lab: Lab) -> Answer:
    target = lab.target()
    took = {
        step: lab.must(step, target.pid)["seconds"]
        for step in ("lock", "checkpoint", "restore", "unlock")
    }
    held = bytes_of(target)
    seen = {"seconds": took, "in all": round(sum(took.values()), 4), "bytes": held}
    return Answer(Verdict.WORKS if held == "intact" else Verdict.DAMAGED, seen)


@question(
    "error-304",
    "get-state and lock of what is gone, never used CUDA, is another user's, or a thread",
)
def error_304(lab: Lab) -> Answer:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    seen: dict[str, object] = {"gone": _codes(lab, gone.pid)}
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bare:
        seen["without CUDA"] = _codes(lab, bare.pid)
        bare.kill()
    target = lab.target()
    threads = sorted(int(each.name) for each in Path(f"/proc/{target.pid}/task").iterdir())
    if len(threads) > 1:
        seen["a thread's id"] = _codes(lab, threads[-1])
    if os.getuid() != 0:
        seen["another user's"] = "needs root to ask"
    else:
        seen["root's, asked by a user"] = _codes(lab, target.pid, "as-user")
        try:
            theirs = lab.target(uid=PLAIN_USER)
        except TenantError as error:
            seen["a user's, asked by root"] = f"a user cannot begin here: {error}"
        else:
            seen["a user's, asked by root"] = _codes(lab, theirs.pid)
    zombie = lab.target()
    zombie.process.kill()
    time.sleep(0.5)
    seen["dead and not waited for"] = _codes(lab, zombie.pid)
    return Answer(Verdict.MEASURED, seen)


def _codes(lab: Lab, pid: int, *words: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for operation in ("get-state", "lock"):
        told = lab.call(operation, pid, *words)
        found[operation] = told["word"] or told["code"]
    if found["lock"] == 0:
        lab.call("unlock", pid)
    return found


@question(
    "nvml-figure", "a process takes 4 GiB: NVML's figure for it against the fall of free memory"
)
def nvml_figure(lab: Lab) -> Answer:
    free = {"before": lab.monitor.free_mib()}
    target = lab.empty_target()
    target.run("gpu.memory_info()")
    free["context"] = lab.monitor.free_mib()
    held = {"context": lab.monitor.process_mib(target.pid)}
    mib = lab.sized(_LARGE_MIB)
    target.run(f"b = gpu.allocate(mib={mib}); h = b.fill(1)")
    free["filled"] = lab.monitor.free_mib()
    held["filled"] = lab.monitor.process_mib(target.pid)
    lab.suspend(target.pid)
    free["suspended"] = lab.monitor.free_mib()
    held["suspended"] = lab.monitor.process_mib(target.pid)
    back = lab.bring_back(target)
    told = held["filled"]
    fell = free["before"] - free["filled"]
    seen = {
        "allocated_mib": mib,
        "free_mib": free,
        "nvml_mib": held,
        "fell_mib": fell,
        "nvml says less by": fell - told if isinstance(told, int) else "unknown",
        "back": back,
    }
    return Answer(Verdict.MEASURED if back["bytes"] == "intact" else Verdict.DAMAGED, seen)


@question(
    "state-under-way",
    "get-state again and again while a checkpoint and a restore of 4 GiB are under way",
)
def state_under_way(lab: Lab) -> Answer:
    target = lab.target(lab.sized(_LARGE_MIB))
    lab.must("lock", target.pid)
    seen: dict[str, object] = {}
    for operation in ("checkpoint", "restore"):
        moving = lab.begin(operation, target.pid)
        looks = []
        while moving.process.poll() is None and len(looks) < 40:
            began = time.monotonic() - moving.began
            look = lab.call("get-state", target.pid, within_s=MOVES_WITHIN_S)
            looks.append(
                {
                    "asked after": round(began, 3),
                    "said": look["word"] or look["code"],
                    "took": look.get("seconds"),
                }
            )
        seen[operation] = {"looks": looks, "itself": moving.result()}
    seen["back"] = back = lab.bring_back(target)
    return Answer(Verdict.MEASURED if back["bytes"] == "intact" else Verdict.DAMAGED, seen)


@question(
    "new-states", "words of get-state beyond the four that are known, in every step of a cycle"
)
def new_states(lab: Lab) -> Answer:
    target = lab.target()
    words = [lab.must("get-state", target.pid)["word"]]
    for step in ("lock", "checkpoint", "restore", "unlock"):
        lab.must(step, target.pid)
        words.append(lab.must("get-state", target.pid)["word"])
    known = ["running", "locked", "checkpointed", "locked", "running"]
    return Answer(Verdict.WORKS if words == known else Verdict.DAMAGED, {"words": words})


@question(
    "exclusive-mode",
    "the card is set to exclusive-process, and a second process begins",
    limit_s=90,
    changes_settings=True,
)
def exclusive_mode(lab: Lab) -> Answer:
    if lab.simulated:
        return not_here("simulated cards have no compute mode")
    why = lab.why_not_changed("compute mode", lab.monitor.settings().compute_mode)
    if why is not None:
        return not_here(why)
    first = lab.target()
    code = lab.monitor.set_compute_mode(3)
    if code:
        return not_here(f"compute mode cannot be changed here: NVML error {code}")
    second = lab.empty_target()
    second.begin("gpu.memory_info() and None")
    try:
        said = second.end()
    except Exception as error:  # noqa: BLE001 - whatever it says is the answer
        said = str(error)
    lab.suspend(first.pid)
    back = lab.bring_back(first)
    seen = {"a second process": said, "suspended and back": back}
    return Answer(Verdict.MEASURED if back["bytes"] == "intact" else Verdict.DAMAGED, seen)
