"""What a caller must have done before: ``cuInit``, NVML open, persistence mode."""

from tests.gpu.probe.answers import Answer, Verdict, not_here, question
from tests.gpu.probe.lab import Lab, bytes_of


def _cycle(lab: Lab, *words: str) -> dict[str, object]:
    """Suspend and resume by callers that have done these things."""
    target = lab.target()
    done: dict[str, object] = {}
    for step in ("lock", "checkpoint", "restore", "unlock"):
        told = lab.call(step, target.pid, *words)
        done[step] = told["code"] if told["code"] is not None else "hung"
        if told["code"] != 0:
            done["back"] = lab.bring_back(target)
            break
    done["bytes"] = bytes_of(target)
    target.close()
    return done


def _all_callers(lab: Lab) -> Answer:
    # NVML held open by this process is a client of the driver, too.
    close = getattr(lab.monitor, "close", lambda: None)
    close()
    seen = {
        "neither": _cycle(lab),
        "cuInit": _cycle(lab, "init"),
        "NVML open": _cycle(lab, "nvml"),
        "both": _cycle(lab, "init", "nvml"),
    }
    whole = all(each["bytes"] == "intact" for each in seen.values())
    return Answer(Verdict.WORKS if whole else Verdict.DAMAGED, seen)


@question(
    "restore-callers", "a cycle by callers with and without cuInit, with NVML open and closed", 120
)
def restore_callers(lab: Lab) -> Answer:
    facts = {} if lab.simulated else {"persistence": _persistence(lab)}
    answer = _all_callers(lab)
    return Answer(answer.verdict, {**facts, **answer.seen})


@question("restore-without-persistence", "the same with persistence mode off", 120)
def restore_without_persistence(lab: Lab) -> Answer:
    if lab.simulated:
        return not_here("simulated cards have no persistence mode")
    before = _persistence(lab)
    if before == 0:
        return not_here("persistence mode is off: see restore-callers")
    if not lab.may_change_settings:
        return not_here(
            f"persistence mode is {before}, and settings are left alone: --change-settings"
        )
    code = lab.monitor.set_persistence(0)
    if code:
        return not_here(f"persistence mode cannot be changed here: NVML error {code}")
    try:
        return _all_callers(lab)
    finally:
        again = type(lab.monitor)()
        again.set_persistence(int(before))


def _persistence(lab: Lab) -> int | str:
    value: int | str = lab.monitor.settings().persistence
    return value
