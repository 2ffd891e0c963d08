"""What becomes of a target whose caller is killed in the middle of moving it."""

import time

from tests.gpu.probe.answers import Answer, Verdict, question
from tests.gpu.probe.lab import MOVES_WITHIN_S, Lab

_HELD_MIB = 8192
_LOOKED_S = 6.0
"""How long the state is looked at afterwards, where it stays the same."""
_AFTER_S = {"early": 0.02, "half way": 0.4, "late": 1.2}


def _ask(lab: Lab, operation: str) -> Answer:
    seen: dict[str, object] = {}
    verdict = Verdict.WORKS
    for when, after_s in _AFTER_S.items():
        target = lab.target(lab.sized(_HELD_MIB))
        lab.must("lock", target.pid)
        if operation == "restore":
            lab.must("checkpoint", target.pid)
        call = lab.begin(operation, target.pid)
        told = call.result(after_s)
        ended = call.kill()
        looks = []
        until = time.monotonic() + _LOOKED_S
        while time.monotonic() < until:
            look = lab.call("get-state", target.pid, within_s=MOVES_WITHIN_S)
            said = look["word"] or ("no answer" if look["code"] is None else look["code"])
            if not looks or looks[-1]["said"] != said:
                after = round(time.monotonic() - call.began, 3)
                looks.append({"after": after, "said": said, "took": look.get("seconds")})
            if len(looks) > 1 or look["code"] is None:
                break
            time.sleep(0.2)
        back = lab.bring_back(target)
        seen[when] = {
            "killed after": after_s,
            "it was over by then": told is not None,
            "the caller ended": ended,
            "get-state": looks,
            "back": back,
        }
        if back["bytes"] != "intact":
            verdict = Verdict.DAMAGED
        elif verdict is Verdict.WORKS and any(each["said"] == "no answer" for each in looks):
            verdict = Verdict.HUNG
        target.close()
    return Answer(verdict, seen)


@question(
    "caller-killed.checkpoint",
    "the caller of a checkpoint of 8 GiB is killed early, half way and late",
    240,
)
def killed_in_checkpoint(lab: Lab) -> Answer:
    return _ask(lab, "checkpoint")


@question(
    "caller-killed.restore",
    "the caller of a restore of 8 GiB is killed early, half way and late",
    240,
)
def killed_in_restore(lab: Lab) -> Answer:
    return _ask(lab, "restore")
