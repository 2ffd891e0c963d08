"""Samples of the GPU, several a second while the story runs, for the picture and the sums."""

import asyncio
import contextlib
from typing import Any

from tornado.httpclient import HTTPClientError

from sublet_hub.one_machine.demo.jupyter_client import Person
from sublet_hub.one_machine.demo.record import Record

PERIOD_S = 0.25


async def sample_for_ever(record: Record, admin: Person) -> None:
    """Add a sample to the record each period, until cancelled."""
    while True:
        with contextlib.suppress(HTTPClientError, OSError):
            gpus = await admin.service("GET", "gpus")
            record.samples.append(sample_of(record.seconds(), gpus[0]))
        await asyncio.sleep(PERIOD_S)


def sample_of(at_s: float, gpu: dict[str, Any]) -> dict[str, Any]:
    """Return what the picture needs of one look at the GPU."""
    slices = [
        {
            "slice_id": each["lease"]["slice_id"],
            "owner": each["lease"]["owner"],
            "holder": each["lease"]["holder"],
            "state": each["report"]["state"],
            "active": each["report"]["active"],
            "gate_open": each["report"]["gate_open"],
            "moving": bool(each["report"]["move"]),
            "memory_mib": each["report"]["memory_mib"],
            "host_mib": each["report"]["host_mib"],
            "gpu_busy_ms": each["report"]["gpu_busy_ms"],
            "lent": bool(each["report"]["lent_to"]),
        }
        for each in gpu["slices"]
        if each["report"]
    ]
    return {"at_s": round(at_s, 3), "used_mib": gpu["report"]["used_mib"], "slices": slices}


def gpu_seconds(record: Record) -> dict[str, float] | None:
    """Return the GPU time of owners and training, and what was idle, over all samples.

    ``None`` where nobody seems to have used it: drivers do not always tell who does.
    """
    most: dict[str, tuple[str, int]] = {}
    for sample in record.samples:
        for each in sample["slices"]:
            before = most.get(each["slice_id"], ("", 0))[1]
            most[each["slice_id"]] = (each["holder"], max(before, each["gpu_busy_ms"]))
    owners = sum(ms for holder, ms in most.values() if holder == "notebook") / 1000
    training = sum(ms for holder, ms in most.values() if holder == "job") / 1000
    if not owners + training:
        return None
    whole = record.samples[-1]["at_s"] - record.samples[0]["at_s"] if record.samples else 0.0
    return {
        "owners": owners,
        "training": training,
        "idle": max(0.0, whole - owners - training),
        "whole": whole,
    }
