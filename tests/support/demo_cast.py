"""The demo's cast without a hub: a service that tells of a job, kernels that lose nothing."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sublet_hub.one_machine.demo.cells import Cells
from sublet_hub.one_machine.demo.jupyter_client import CellOutcome
from sublet_hub.one_machine.demo.record import Record
from sublet_hub.one_machine.demo.stage import Casting, Script, Stage

CAST = (
    Casting("ada", "course", "large", 50, 1),
    Casting("bea", "course", "large", 50, 2),
    Casting("cleo", "course", "medium", 30, 3),
)
GUARANTEED = Casting("dora", "lab", "whole", 50, 4)
LATE = Casting("emil", "course", "large", 1, 5)
KERNEL = 7
RESULT = {"steps": 500, "accuracy": 0.9, "gpu_memory_intact": True, "weights": "f00d" * 16}


@dataclass
class FakePerson:
    """The submitter, for whom jobs end in the process and after the attempts that a test says."""

    pid: int
    attempts: int
    submitted: list[str] = field(default_factory=list)

    async def service(self, method: str, path: str, body: Any = None) -> Any:
        if path == "events":
            return []
        if method == "POST":
            self.submitted.append(body["name"])
            return {"job_id": body["name"]}
        job_id = path.removeprefix("jobs/")
        return {
            "state": "done",
            "attempts": self.attempts if job_id == "digits" else 1,
            "output_notebook": f"/home/cleo/sublet-jobs/{job_id}.ipynb",
        }

    async def get_notebook(self, path: str) -> dict[str, Any]:
        pid = self.pid if path.endswith("/digits.ipynb") else self.pid + 1
        printed = {"name": "stdout", "text": json.dumps({**RESULT, "pid": pid}) + "\n"}
        return {"cells": [{"outputs": [printed]}]}


@dataclass
class FakeKernel:
    """A kernel in which everything is there."""

    seed: int

    async def run(self, _code: str, _timeout_s: float = 0) -> CellOutcome:
        seen = {"seconds_to_gpu": 0, "answer": self.seed * 7, "intact": True, "pid": KERNEL}
        return CellOutcome(json.dumps(seen), 0.0, 0.0)


def stage_of_a_job(*, seen_in: tuple[int, ...], pid: int, attempts: int) -> Stage:
    """The stage before the last act, with a job first seen training in these processes."""
    cleo: Any = FakePerson(pid, attempts)
    kernels: dict[str, Any] = {role.name: FakeKernel(role.seed) for role in CAST}
    return Stage(
        record=Record(lambda _: None),
        script=Script(CAST, GUARANTEED, LATE, Path("train-digits.ipynb"), {}),
        cells=Cells(simulated=True),
        admin=cleo,
        people={"cleo": cleo},
        kernels=kernels,
        pids={role.name: KERNEL for role in CAST},
        job_id="digits",
        training_pids=seen_in,
    )
