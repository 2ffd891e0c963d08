"""Bodies of the service's API, and the command line that shows them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from click.testing import CliRunner, Result
from sublet_lab.command_line import main
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.standings import Standing
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.api import Lease, Share, SliceInfo
from sublet_quota.wire.jobs import JobInfo
from sublet_quota.wire.standing import tell_standing

from tests.support.quota_shares import a_quota

NOW = datetime.now(UTC)


def lease(**changes: Any) -> Lease:
    values: dict[str, Any] = {
        "slice_id": "s-1",
        "owner": "ada",
        "server": "",
        "holder": Holder.NOTEBOOK,
        "pool": "interactive",
        "node": "node-a",
        "gpu_id": "SIM-0",
        "gpu_index": 0,
        "gpu_type": "Simulated H100 80GB",
        "gpu_memory_mib": 81920,
        "simulated": True,
        "memory_mib": 40960,
        "compute_milli": 500,
        "created_at": NOW,
    }
    return Lease(**{**values, **changes})


def report(**changes: Any) -> SliceReport:
    values: dict[str, Any] = {
        "slice_id": "s-1",
        "state": SliceState.SUSPENDED,
        "active": False,
        "since": datetime.now(UTC) - timedelta(minutes=3),
        "gate_open": False,
        "memory_mib": 0,
        "host_mib": 8192,
    }
    return SliceReport(**{**values, **changes})


def slice_info(**changes: Any) -> SliceInfo:
    values: dict[str, Any] = {
        "lease": lease(),
        "report": report(),
        "standing": tell_standing(Standing.MOVED_OUT),
        "seen_at": NOW,
        "lent_to": ("a job",),
    }
    return SliceInfo(**{**values, **changes})


def share(**changes: Any) -> Share:
    values: dict[str, Any] = {
        "owner": "ada",
        "slices": (),
        "jobs_waiting": 0,
        "jobs_running": 0,
        "lending": True,
        "quota": a_quota(),
    }
    return Share(**{**values, **changes})


def job(**changes: Any) -> JobInfo:
    values: dict[str, Any] = {
        "job_id": "j-1",
        "owner": "ada",
        "name": "train",
        "notebook": "train.ipynb",
        "parameters": {"epochs": 3},
        "state": JobState.WAITING,
        "reason": "No slice is idle yet.",
        "place": 1,
        "priority": 0,
        "memory_mib": 81920,
        "slice": None,
        "submitted_at": NOW,
        "started_at": None,
        "ended_at": None,
        "cells_done": 0,
        "cells_total": 12,
        "output_notebook": None,
    }
    return JobInfo(**{**values, **changes})


def sublet(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)
