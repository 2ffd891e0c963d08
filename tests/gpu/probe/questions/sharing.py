"""Targets that have something special: shared memory, a profiler, two cards, a forked child."""

import importlib.util
import json
import select
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.gpu.probe.answers import Answer, Verdict, not_here, question
from tests.gpu.probe.lab import SMALL_MIB, Lab, bytes_of
from tests.support.tenants import Tenant

_EXTRAS = "from tests.gpu.probe import extras"


def _cycle(lab: Lab, *targets: Tenant) -> Answer:
    """Lock and checkpoint all, bring all back, and look at their bytes."""
    seen: dict[str, object] = {}
    failed = False
    for step in ("lock", "checkpoint", "restore", "unlock"):
        codes = [lab.call(step, target.pid)["code"] for target in targets]
        seen[step] = ["hung" if code is None else code for code in codes]
        if any(code != 0 for code in codes):
            failed = True
            break
    backs = [
        lab.bring_back(target) if failed else {"bytes": bytes_of(target)} for target in targets
    ]
    seen["back"] = backs
    if any(each["bytes"] != "intact" for each in backs):
        return Answer(Verdict.DAMAGED, seen)
    return Answer(Verdict.REFUSED if failed else Verdict.WORKS, seen)


@question(
    "vmm-handles",
    "memory shared by cuMemExportToShareableHandle: what shows beforehand, then a cycle",
    120,
)
def vmm_handles(lab: Lab) -> Answer:
    if lab.simulated:
        return not_here("the simulated client has no handles")
    with tempfile.TemporaryDirectory(prefix="sublet-probe-") as folder:
        path = f"{folder}/handle"
        giver, taker = lab.target(64), lab.target(64)
        for each in (giver, taker):
            each.run(_EXTRAS)
        before = [_maps(each.pid) for each in (giver, taker)]
        giver.begin(f"s = extras.create_shareable({SMALL_MIB}, {path!r}); h = s.fill(5); b = s")
        while not Path(path).exists():
            if select.select([giver.process.stdout], [], [], 0.01)[0]:
                giver.end()
        taker.run(f"b = extras.open_shareable({path!r})")
        giver.end()
        taker.run("h = b.sha256()")
        news = [sorted(_maps(e.pid) - b) for e, b in zip((giver, taker), before, strict=True)]
        answer = _cycle(lab, giver, taker)
        return Answer(answer.verdict, {"new in maps of giver and taker": news, **answer.seen})


def _maps(pid: int) -> set[str]:
    lines = Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines()
    found = {line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) > 5}
    descriptors = {
        str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()
    }
    return found | descriptors


@question("profiler", "CUPTI is mapped and traces kernels, then a cycle", 120)
def profiler(lab: Lab) -> Answer:
    if lab.simulated:
        return not_here("simulated processes have no profiler")
    target = lab.target()
    target.run(_EXTRAS)
    loaded = target.run("extras.load_profiler()")
    if loaded == "''":
        return not_here("no CUPTI library is found here")
    target.run("gpu.compute(0.05)")
    answer = _cycle(lab, target)
    return Answer(answer.verdict, {"loaded": loaded, **answer.seen})


@question(
    "pytorch-maps",
    "which libraries of tools are mapped, and threads: PyTorch imported, and its profiler at work",
    240,
)
def pytorch_maps(lab: Lab) -> Answer:
    if lab.simulated:
        return not_here("simulated cards have no PyTorch")
    if importlib.util.find_spec("torch") is None:
        return not_here(f"{sys.executable} has no PyTorch")
    asked = subprocess.run(
        [sys.executable, "-m", "tests.gpu.probe.pytorch_maps"],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        return not_here(" ".join(asked.stderr.split())[-400:])
    return Answer(Verdict.MEASURED, json.loads(asked.stdout))


@question("two-cards", "a process with a context on two cards, then a cycle", 120)
def two_cards(lab: Lab) -> Answer:
    if int(lab.monitor.facts()["cards"]) < 2 or lab.simulated:
        return not_here("needs two cards")
    target = lab.target(CUDA_VISIBLE_DEVICES="0,1")
    target.run(_EXTRAS)
    target.run(f"second = extras.context_on_second_card({SMALL_MIB})")
    return _cycle(lab, target)


@question("cuda-ipc", "memory shared by CUDA IPC between two processes, then a cycle", 120)
def cuda_ipc(lab: Lab) -> Answer:
    giver, taker = lab.target(), lab.target()
    token = giver.run("b.share()")
    taker.run(f"s = gpu.open_shared({token})")
    shown = [any("cuda.shm" in each for each in _maps(t.pid)) for t in (giver, taker)]
    answer = _cycle(lab, giver, taker)
    return Answer(answer.verdict, {"cuda.shm in maps": shown, **answer.seen})


@question(
    "forked", "a process that forked after its first CUDA call: calls for it and for its child", 120
)
def forked(lab: Lab) -> Answer:
    target = lab.target()
    child = int(target.run("__import__('os').fork() or __import__('time').sleep(600)"))
    of_child = {}
    for operation in ("get-state", "lock"):
        told = lab.call(operation, child)
        of_child[operation] = "hung" if told["code"] is None else told["word"] or told["code"]
    answer = _cycle(lab, target)
    target.run(f"__import__('os').kill({child}, 9)")
    verdict = Verdict.HUNG if "hung" in of_child.values() else answer.verdict
    return Answer(verdict, {"its child": of_child, **answer.seen})
