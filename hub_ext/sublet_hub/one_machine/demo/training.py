"""The training job of the story: submitted, followed, and what came out of it."""

import json
from typing import Any

from sublet_hub.one_machine.demo.jupyter_client import Person
from sublet_hub.one_machine.demo.stage import Stage


async def submit(stage: Stage, submitter: Person, name: str) -> str:
    """Submit the training notebook; return the job's id."""
    job = await submitter.service(
        "POST",
        "jobs",
        {
            "notebook": stage.script.training_notebook.name,
            "name": name,
            "parameters": stage.script.training,
            "memory_mib": "whole",
        },
    )
    job_id: str = job["job_id"]
    return job_id


async def job_of(stage: Stage, job_id: str) -> dict[str, Any]:
    """Return the job as its owner sees it; ``RuntimeError`` where it failed or was cancelled."""
    submitter = stage.submitter
    job: dict[str, Any] = await submitter.service("GET", f"jobs/{job_id}")
    if job["state"] in ("failed", "cancelled"):
        message = f"the training job {job['state']}: {job['reason']}"
        raise RuntimeError(message)
    return job


async def reason_to_wait(stage: Stage) -> str | None:
    """Return the reason that the job gives for waiting; ``None`` once it does not wait."""
    job = await job_of(stage, stage.job_id)
    return job["reason"] if job["state"] in ("waiting", "placed") else None


async def job_that_is(stage: Stage, *states: str) -> dict[str, Any] | None:
    """Return the job, once it is in one of these states; ``None`` before."""
    job = await job_of(stage, stage.job_id)
    return job if job["state"] in states else None


async def training_holds(stage: Stage) -> dict[str, Any] | None:
    """Return the job, once its slice holds GPU memory and its gate is open; ``None`` before."""
    job = await job_of(stage, stage.job_id)
    report = (job["slice"] or {}).get("report") or {}
    holds = report.get("memory_mib", 0) > stage.script.training["hold_gib"] * 1024
    return job if holds and report["gate_open"] else None


async def result_of(stage: Stage, job: dict[str, Any]) -> dict[str, Any]:
    """Return what the executed notebook printed last, read as JSON."""
    submitter = stage.submitter
    # The server knows its notebooks by their path below its own folder.
    path = job["output_notebook"]
    notebook = await submitter.get_notebook(path[path.index("sublet-jobs/") :])
    printed = [
        output["text"]
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
        if output.get("name") == "stdout"
    ]
    text = printed[-1] if isinstance(printed[-1], str) else "".join(printed[-1])
    result: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return result


def expect_same_training(stage: Stage, job: dict[str, Any], result: dict[str, Any]) -> None:
    """Note as wrong a job that was begun anew: from the start it comes to the same weights."""
    stage.record.expect(
        job["attempts"] == 1,
        f"the training did not go on where it was: it was begun {job['attempts']} times",
    )
    seen = ", ".join(map(str, stage.training_pids))
    stage.record.expect(
        result["pid"] in stage.training_pids,
        f"the training ended in process {result['pid']}: it was first seen in {seen or 'none'}",
    )
