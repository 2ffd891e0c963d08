"""What a caller must have done before: ``cuInit``, NVML open, persistence mode.

Any process that has a card open keeps the driver loaded, too: each cycle tells which do, just
before the restore.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.gpu.probe.answers import Answer, Verdict, not_here, question
from tests.gpu.probe.lab import Lab, bytes_of

_CARD = re.compile("/dev/nvidia[0-9]+")


def have_open(path: re.Pattern[str]) -> tuple[dict[int, str], int]:
    """Return the names of processes with such a file open, and how many cannot be looked into."""
    found = {}
    hidden = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(path.fullmatch(each) for each in _opened(process)):
                found[int(process.name)] = (process / "comm").read_text().strip()
        except PermissionError:
            hidden += 1
        except OSError:
            continue  # It has ended meanwhile.
    return found, hidden


def _opened(process: Path) -> Iterator[str]:
    for descriptor in (process / "fd").iterdir():
        with suppress(FileNotFoundError):
            yield str(descriptor.readlink())


def _keep_loaded(target: int) -> dict[str, object]:
    found, hidden = have_open(_CARD)
    ours = {target: "the target", os.getpid(): "the probe"}
    return {
        "have a card open": [ours.get(pid, f"{name}, {pid}") for pid, name in found.items()],
        "processes not looked into": hidden,
    }


def _cycle(lab: Lab, *words: str) -> dict[str, object]:
    """Suspend and resume by callers that have done these things."""
    target = lab.target()
    done: dict[str, object] = {}
    for step in ("lock", "checkpoint", "restore", "unlock"):
        if step == "restore":
            done["before restore"] = _keep_loaded(target.pid)
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


@question(
    "restore-without-persistence",
    "the same with persistence mode off",
    120,
    changes_settings=True,
)
def restore_without_persistence(lab: Lab) -> Answer:
    if lab.simulated:
        return not_here("simulated cards have no persistence mode")
    before = _persistence(lab)
    if before == 0:
        return not_here("persistence mode is off: see restore-callers")
    why = lab.why_not_changed("persistence mode", before)
    if why is not None:
        return not_here(why)
    code = lab.monitor.set_persistence(0)
    if code:
        return not_here(f"persistence mode cannot be changed here: NVML error {code}")
    return _all_callers(lab)


def _persistence(lab: Lab) -> int | str:
    value: int | str = lab.monitor.settings().persistence
    return value
