"""The one thing that is known to lose a process: a restore without room. Asked last."""

from tests.gpu.probe.answers import Answer, Verdict, question
from tests.gpu.probe.lab import Lab


@question(
    "restore-without-room",
    "a process is restored while another holds nearly all, then with room again",
    120,
)
def restore_without_room(lab: Lab) -> Answer:
    mib = lab.sized(4096)
    victim = lab.target(mib)
    lab.suspend(victim.pid)
    thief = lab.empty_target()
    thief.run("gpu.memory_info()")
    thief.run(f"t = gpu.allocate(mib={lab.monitor.free_mib() - mib // 2})")
    first = lab.call("restore", victim.pid)
    state = lab.call("get-state", victim.pid)
    thief.close()
    again = lab.call("restore", victim.pid)
    seen = {
        "without room": first["code"],
        "state then": state["word"] or state["code"],
        "with room again": again["code"],
    }
    if again["code"] == 0:
        seen["back"] = back = lab.bring_back(victim)
        return Answer(Verdict.WORKS if back["bytes"] == "intact" else Verdict.DAMAGED, seen)
    return Answer(Verdict.DAMAGED, seen)
