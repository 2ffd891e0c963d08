"""What a CUDA call costs that waits for a lock or a suspend, and what a lock itself waits for."""

import select
import time

from tests.gpu.probe.answers import Answer, Verdict, question
from tests.gpu.probe.lab import Lab, cpu_s_of, threads_of

_OBSERVED_S = 2.0
_QUEUED_S = 5.0
_CALLS = {
    "kernel": "gpu.compute(0.001)",
    "allocation": "gpu.allocate(mib=64) is not None",
    "query": "gpu.memory_info() is not None",
    "copy": "b.sha256() == h",
}


def _waiting(lab: Lab, *, suspended: bool) -> Answer:
    seen: dict[str, object] = {}
    intact = True
    for name, line in _CALLS.items():
        target = lab.target(64)
        target.run("gpu.compute(0.01)")
        lab.must("lock", target.pid)
        if suspended:
            lab.must("checkpoint", target.pid)
        target.begin(line)
        time.sleep(0.2)
        before = cpu_s_of(target.pid)
        came_back = bool(select.select([target.process.stdout], [], [], _OBSERVED_S)[0])
        seen[name] = {
            "waits": not came_back,
            "share of a CPU": round((cpu_s_of(target.pid) - before) / _OBSERVED_S, 3),
            "threads": threads_of(target.pid),
        }
        if suspended:
            lab.must("restore", target.pid)
        lab.must("unlock", target.pid)
        target.end()
        intact = intact and target.run("b.sha256() == h") == "True"
        target.close()
    return Answer(Verdict.MEASURED if intact else Verdict.DAMAGED, seen)


@question(
    "waiting-locked",
    "a kernel, an allocation, a query, a copy made while locked: CPU, threads, wchan",
)
def waiting_locked(lab: Lab) -> Answer:
    return _waiting(lab, suspended=False)


@question("waiting-suspended", "the same while checkpointed")
def waiting_suspended(lab: Lab) -> Answer:
    return _waiting(lab, suspended=True)


@question(
    "lock-behind-kernels",
    "5 s of kernels are queued, then the process is locked with 10 s to do so",
    90,
)
def lock_behind_kernels(lab: Lab) -> Answer:
    target = lab.target(64)
    # One kernel that runs as long as many: both are work that was submitted before.
    launch = "gpu.launch" if lab.simulated else "gpu._launch"
    seen: dict[str, object] = {}
    for name, kernels, each_s in (
        ("one kernel", 1, _QUEUED_S),
        ("100 kernels", 100, _QUEUED_S / 100),
    ):
        target.run(f"[{launch}({each_s}) for _ in range({kernels})] and None")
        began = time.monotonic()
        running = lab.begin("lock", target.pid, timeout_ms=10_000)
        told = running.result(20.0)
        took = time.monotonic() - began
        target.begin("gpu.synchronize()")
        waits = not select.select([target.process.stdout], [], [], 1.0)[0]
        seen[name] = {"lock": told, "after": round(took, 3), "its calls wait": waits}
        if told is None:
            running.kill()
            return Answer(Verdict.HUNG, seen)
        lab.call("unlock", target.pid)
        target.end()
    seen["back"] = back = lab.bring_back(target)
    return Answer(Verdict.MEASURED if back["bytes"] == "intact" else Verdict.DAMAGED, seen)


@question("lock-timeout", "5 s of kernels are queued, and the lock has 200 ms", 60)
def lock_timeout(lab: Lab) -> Answer:
    target = lab.target(64)
    target.run("gpu.launch_endless_kernel()" if lab.simulated else f"gpu._launch({_QUEUED_S})")
    told = lab.call("lock", target.pid, timeout_ms=200)
    state = lab.call("get-state", target.pid)
    seen = {"lock": told, "state": state["word"] or state["code"]}
    if told["code"] is None:
        return Answer(Verdict.HUNG, seen)
    if lab.simulated:
        return Answer(Verdict.REFUSED if told["code"] else Verdict.DAMAGED, seen)
    seen["back"] = back = lab.bring_back(target)
    if back["bytes"] != "intact":
        return Answer(Verdict.DAMAGED, seen)
    return Answer(Verdict.REFUSED if told["code"] else Verdict.WORKS, seen)
