"""The names and labels by which a job's objects are known."""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import JobId, SliceId

from sublet_hub.ledger.records import JobRecord

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
SERVICE: Final = "sublet"
JOB_ID: Final = "sublet.dev/job-id"
SLICE_ID: Final = "sublet.dev/slice-id"
OWNER: Final = "sublet.dev/owner"
OWNER_HASH: Final = "sublet.dev/owner-hash"
"""The label by which the chart's admission policy finds what is recorded of an owner's servers."""
OWNER_SHARD: Final = "sublet.dev/owner-shard"
"""The label of Jobs by which the API server finds the one object where their owner is recorded."""
REQUEST: Final = "sublet.dev/job-request"
"""The annotation that the pod reads its request from."""
NODES: Final = "sublet.dev/nodes"
"""The annotation that tells on which nodes a queued job was to run, by ``nodes_mark``."""
CONTAINER: Final = "job"
TRAINERS_CONTAINER: Final = "node"
"""What Kubeflow's runtime calls its workers, and their container."""
ALL_JOBS: Final = f"{MANAGED_BY}={SERVICE},{JOB_ID}"
_NO_LABEL: Final = re.compile(r"[^A-Za-z0-9._-]+")
_MOST_LABEL: Final = 63


def object_name(job: JobRecord) -> str:
    """Return the name of the object that runs a job's next attempt, or the one that runs."""
    attempt = job.attempts if job.state is JobState.RUNNING else job.attempts + 1
    return f"sublet-{job.job_id}-{attempt}"


def former_object_name(job: JobRecord) -> str:
    """Return the name of the object that ran the last attempt of a job that waits."""
    return f"sublet-{job.job_id}-{job.attempts}"


def slice_id_of(job_id: JobId, attempt: int, rank: int = 0) -> SliceId:
    """Return the slice's id of a job that the cluster places: the same when asked again."""
    text = f"{job_id}/{attempt}/{rank}"
    return SliceId(hashlib.sha256(text.encode()).hexdigest()[:32])


def nodes_mark(names: Sequence[str]) -> str:
    """Return a mark for a set of nodes: the same for the same ones, short for however many."""
    return hashlib.sha256(",".join(sorted(names)).encode()).hexdigest()[:16] if names else "all"


def as_label(text: str) -> str:
    """Return a text as a label can have it: for people, not to find things by."""
    return _NO_LABEL.sub("-", text)[:_MOST_LABEL].strip("-._")
