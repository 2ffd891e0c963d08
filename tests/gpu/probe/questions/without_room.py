"""The one thing that is known to lose a process: a restore without room. Asked last."""

from tests.gpu.probe.answers import Answer, Verdict, question
from tests.gpu.probe.lab import Lab

_LEFT_MIB = 1024


@question(
    "restore-without-room",
    "a process is restored while another holds nearly all, then with room again",
    120,
)
def restore_without_room(lab: Lab) -> Answer:
    victim = lab.target(4096)
    lab.suspend(victim.pid)
    thief = lab.empty_target()
    thief.run("gpu.memory_info()")
    thief.run(f"t = gpu.allocate(mib={lab.monitor.free_mib() - _LEFT_MIB})")
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
