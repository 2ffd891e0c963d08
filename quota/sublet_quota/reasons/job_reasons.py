"""Why a training job is as it is: codes with their numbers, and the one table of their words.

Whoever decides gives a code and numbers, the ledger keeps them, and who shows them to people asks
here for the words. None names another user. Why a job is still in the queue is in ``waiting``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from string import Formatter
from types import MappingProxyType
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.errors import ReasonError
from sublet_quota.reasons.counted import counted
from sublet_quota.reasons.refusal import quoted
from sublet_quota.reasons.shared_clauses import PARAMETERS_TOO_LARGE, START_A_SERVER_ONCE

MOST_TOLD: Final = 2000
"""The most characters that are kept of words from outside."""
Numbers = Mapping[str, int | str]


class JobReasonCode(StrEnum):
    """Why a job waits, goes back to the queue, has failed or is cancelled."""

    TOLD_BEFORE = "told-before"
    """Another version of the service knew, and its words alone are left."""

    SUBMITTED = "submitted"
    PLACED = "placed"
    """The job has a slice, and waits for its room there."""
    BEGUN = "begun"
    """The job runs: nothing more is to be said."""
    DONE = "done"
    """The job has ended well: nothing more is to be said."""
    CANCEL_ASKED = "cancel-asked"
    """The job's owner wants it to end, and it still runs."""
    CANCEL_ASKED_BY_ADMIN = "cancel-asked-by-admin"
    CANCELLED = "cancelled"
    """The job was cancelled by its owner."""
    CANCELLED_BY_ADMIN = "cancelled-by-admin"

    CELL_FAILED = "cell-failed"
    NOTEBOOK_FAILED = "notebook-failed"
    """The notebook failed before its first cell, or in none of its cells."""
    SILENTLY_FAILED = "silently-failed"
    RAN_TOO_LONG = "ran-too-long"
    MORE_THAN_ASKED = "more-than-asked"
    """The job had more GPU memory than it asked for, longer than its pool's admin allows."""
    LOG_TOO_LONG = "log-too-long"
    STAMPED_LOG_TOO_LONG = "stamped-log-too-long"
    """The log grew too long, with the time of each line, which counts, too."""
    END_NOT_STORED = "end-not-stored"
    """The job has ended, and the ledger does not take the words of its end."""

    EVICTED = "evicted"
    """An owner needs the room, and the job could not be suspended."""
    GPU_STATE_LOST = "gpu-state-lost"
    SLICE_GONE = "slice-gone"
    AGENT_SILENT = "agent-silent"
    MACHINE_RESTARTED = "machine-restarted"

    ACCOUNT_UNKNOWN = "account-unknown"
    CANNOT_START = "cannot-start"
    LOST_UNBEGUN = "lost-unbegun"
    ENDED_UNSEEN = "ended-unseen"
    """The job's process ended while no service watched."""
    ENDED_UNKNOWN = "ended-unknown"
    """The job's process has ended, and nobody has its exit status."""
    KILLED_BY_SIGNAL = "killed-by-signal"
    EXITED = "exited"

    POD_UNKNOWN = "pod-unknown"
    """Nothing is known of how the pods of the job's owner are made."""
    OTHER_NAMESPACE = "other-namespace"
    PARAMETERS_TOO_LARGE = "parameters-too-large"
    NO_GPU_TOLD_OF = "no-gpu-told-of"
    NO_NODE_OF_TYPE = "no-node-of-type"
    FILES_ON_OTHER_TYPE = "files-on-other-type"
    """The owner's files are in use on a node that has no GPU of the job's type."""
    FILES_MOVED = "files-moved"
    """The owner's files came into use on another node than the job was placed on."""
    FILES_ELSEWHERE = "files-elsewhere"
    """The owner's files are in use on another node than the one that the job's pod has gone to."""
    ANEW_ANYWHERE = "anew-anywhere"
    """The job is queued anew, as it can run on every node now."""
    ANEW_ON_NODE = "anew-on-node"
    ANEW_ON_NODES = "anew-on-nodes"
    CLUSTER_QUEUE = "cluster-queue"
    CLUSTER_QUEUE_TOOK_ROOM = "cluster-queue-took-room"
    NOT_TAKEN_YET = "not-taken-yet"
    """The API server took no object for the job, and is asked again."""
    CLUSTER_REFUSED = "cluster-refused"
    """The API server takes no object for the job, and is not asked again."""

    PODS_BEING_MADE = "pods-being-made"
    PODS_REFUSED = "pods-refused"
    """The cluster has the job's object, and makes no pods for it."""
    NODE_SOUGHT = "node-sought"
    UNSCHEDULABLE = "unschedulable"
    CONTAINER_BEING_STARTED = "container-being-started"
    IMAGE_NOT_PULLED = "image-not-pulled"
    CONTAINER_NOT_STARTED = "container-not-started"
    CANNOT_BEGIN = "cannot-begin"
    """The job's pod, as it is, will never begin."""
    CLUSTER_HAS_IT_NO_LONGER = "cluster-has-it-no-longer"
    CLUSTER_ENDED_IT = "cluster-ended-it"
    POD_TAKEN = "pod-taken"
    POD_REMOVED = "pod-removed"
    NODE_GAVE_UP = "node-gave-up"
    NODE_RESTARTED = "node-restarted"
    HOST_MEMORY_EXCEEDED = "host-memory-exceeded"
    TOLD_TO_END = "told-to-end"
    CONTAINER_EXITED = "container-exited"
    CONTAINER_ENDED = "container-ended"
    """The job's container has ended without an exit status."""


_NOT_STARTED: Final = "its container does not start"
_CLAUSES: Final[Mapping[JobReasonCode, str]] = MappingProxyType(
    {
        JobReasonCode.TOLD_BEFORE: "",
        JobReasonCode.SUBMITTED: "was just submitted",
        JobReasonCode.PLACED: "waits for its room on GPU {gpu} of {node}",
        JobReasonCode.BEGUN: "",
        JobReasonCode.DONE: "",
        JobReasonCode.CANCEL_ASKED: "is being cancelled",
        JobReasonCode.CANCEL_ASKED_BY_ADMIN: "is being cancelled by an admin",
        JobReasonCode.CANCELLED: "by its owner",
        JobReasonCode.CANCELLED_BY_ADMIN: "by an admin",
        JobReasonCode.CELL_FAILED: "cell {cell}",
        JobReasonCode.NOTEBOOK_FAILED: "",
        JobReasonCode.SILENTLY_FAILED: "failed without saying why",
        JobReasonCode.RAN_TOO_LONG: "ran for longer than {limit_s} s",
        JobReasonCode.MORE_THAN_ASKED: (
            "had {has_mib} of GPU memory, more than the {asked_mib} it asked for, for longer than "
            "{over_s}"
        ),
        JobReasonCode.LOG_TOO_LONG: "its log grew beyond {limit_mib} MiB: print less",
        JobReasonCode.STAMPED_LOG_TOO_LONG: (
            "its log, with the time of each line, grew beyond {limit_mib} MiB: print less"
        ),
        JobReasonCode.END_NOT_STORED: "what it said at its end cannot be stored: see its log",
        JobReasonCode.EVICTED: "had to leave its GPU",
        JobReasonCode.GPU_STATE_LOST: "its GPU state was lost",
        JobReasonCode.SLICE_GONE: "its slice was gone",
        JobReasonCode.AGENT_SILENT: "the agent of node {node} does not report",
        JobReasonCode.MACHINE_RESTARTED: "its machine was restarted",
        JobReasonCode.ACCOUNT_UNKNOWN: "nothing is known of its owner's account any more",
        JobReasonCode.CANNOT_START: "",
        JobReasonCode.LOST_UNBEGUN: "it was lost before it began",
        JobReasonCode.ENDED_UNSEEN: "its process ended while the service was away",
        JobReasonCode.ENDED_UNKNOWN: "its process ended and nobody knows how",
        JobReasonCode.KILLED_BY_SIGNAL: ("its process ended by signal {signal} before it was done"),
        JobReasonCode.EXITED: "its process ended with exit status {exit_status}",
        JobReasonCode.POD_UNKNOWN: (
            f"nothing is known of how its owner's pods are made: {START_A_SERVER_ONCE}"
        ),
        JobReasonCode.OTHER_NAMESPACE: (
            "its owner's volumes are not in the namespace {namespace}, where this service may "
            "start jobs: ask an administrator"
        ),
        JobReasonCode.PARAMETERS_TOO_LARGE: PARAMETERS_TOO_LARGE,
        JobReasonCode.NO_GPU_TOLD_OF: (
            "waits for a GPU: no agent has told of one that it could use"
        ),
        JobReasonCode.NO_NODE_OF_TYPE: "waits for a GPU of type {gpu_type}: no node has one",
        JobReasonCode.FILES_ON_OTHER_TYPE: (
            "waits for its owner's files, which are in use on {node}: that has no GPU of type "
            "{gpu_type}"
        ),
        JobReasonCode.FILES_MOVED: (
            "its owner's files came into use on {node}: it has to run there"
        ),
        JobReasonCode.FILES_ELSEWHERE: (
            "its owner's files are in use on {node}, where it has to run"
        ),
        JobReasonCode.ANEW_ANYWHERE: ("can run on every node now, and is queued anew for that"),
        JobReasonCode.ANEW_ON_NODE: ("can run on {node} alone now, and is queued anew for that"),
        JobReasonCode.ANEW_ON_NODES: ("can run on {nodes} now, and is queued anew for that"),
        JobReasonCode.CLUSTER_QUEUE: "waits in the cluster's queue",
        JobReasonCode.CLUSTER_QUEUE_TOOK_ROOM: "the cluster's queue took its room",
        JobReasonCode.NOT_TAKEN_YET: "the cluster does not take it yet",
        JobReasonCode.CLUSTER_REFUSED: "",
        JobReasonCode.PODS_BEING_MADE: "its pods are being made",
        JobReasonCode.PODS_REFUSED: "the cluster makes no pods for it",
        JobReasonCode.NODE_SOUGHT: "the cluster looks for a node",
        JobReasonCode.UNSCHEDULABLE: "the cluster has found no node for it yet",
        JobReasonCode.CONTAINER_BEING_STARTED: "its container is being started",
        JobReasonCode.IMAGE_NOT_PULLED: _NOT_STARTED,
        JobReasonCode.CONTAINER_NOT_STARTED: _NOT_STARTED,
        JobReasonCode.CANNOT_BEGIN: "its pod cannot begin",
        JobReasonCode.CLUSTER_HAS_IT_NO_LONGER: "the cluster has it no longer",
        JobReasonCode.CLUSTER_ENDED_IT: "the cluster ended it",
        JobReasonCode.POD_TAKEN: "the cluster took its pod away",
        JobReasonCode.POD_REMOVED: "its pod was removed",
        JobReasonCode.NODE_GAVE_UP: "its node did not run it to its end",
        JobReasonCode.NODE_RESTARTED: "its node was restarted, or lost sight of it",
        JobReasonCode.HOST_MEMORY_EXCEEDED: (
            "it used more host memory than its pod may have, and was killed for it"
        ),
        JobReasonCode.TOLD_TO_END: "it was told to end",
        JobReasonCode.CONTAINER_EXITED: "its container ended with exit status {exit_status}",
        JobReasonCode.CONTAINER_ENDED: "its container ended without saying how",
    }
)
_BEFORE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "of_attempts": "attempt {attempt} of {of_attempts} failed",
        "begins_within_s": "its pod has not begun within {begins_within_s}",
    }
)
"""What stands before any code's clause, in this order, by the number that calls for it."""
_AFTER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "begun_times": "it was begun {begun_times}, and is not tried again",
        "unkilled": "a process of it waits for a disk or a file server, and cannot be killed",
        "rest_s": "it is queued again in {rest_s}",
    }
)
"""What stands behind any code's clause, in this order, by the number that calls for it."""


def _names_in(clause: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(clause) if name)


_NUMBERS: Final[Mapping[JobReasonCode, frozenset[str]]] = MappingProxyType(
    {code: _names_in(clause) for code, clause in _CLAUSES.items()}
)
_CIRCUMSTANCES: Final = tuple(
    _names_in(clause) | {name} for name, clause in (*_BEFORE.items(), *_AFTER.items())
)


def numbers_of(code: JobReasonCode) -> frozenset[str]:
    """Return the names of the numbers that a code needs."""
    return _NUMBERS[code]


@dataclass(frozen=True, slots=True)
class JobReason:
    """Why a job is as it is. ``ReasonError`` where the numbers are not those of the code."""

    code: JobReasonCode
    numbers: Numbers = field(default_factory=dict)
    """The numbers by their names in the code's clause; ids, too.

    Circumstances that any code may have: ``attempt`` and ``of_attempts`` (so many have failed now),
    ``begins_within_s`` (its pod has not), ``begun_times`` (too often), ``unkilled`` (1: a process
    of it could not be killed) and ``rest_s`` (before it is queued again).
    """
    told: str = ""
    """Words from outside, cut at ``MOST_TOLD``: of a pod, an exception, an agent."""

    def __post_init__(self) -> None:
        """Keep the numbers as they are now, and so much of the words as may be kept."""
        names = frozenset(self.numbers)
        needed = numbers_of(self.code).union(*(c for c in _CIRCUMSTANCES if c & names))
        if names != needed:
            message = f"{self.code} needs {sorted(needed)}, and was given {sorted(names)}"
            raise ReasonError(message)
        if not all(isinstance(value, int | str) for value in self.numbers.values()):
            message = f"{self.code} takes numbers and names, and was given {dict(self.numbers)}"
            raise ReasonError(message)
        object.__setattr__(self, "numbers", MappingProxyType(dict(self.numbers)))
        object.__setattr__(self, "told", self.told[:MOST_TOLD])

    def under(self, **circumstances: int) -> "JobReason":
        """Return the same reason with more circumstances."""
        return replace(self, numbers={**self.numbers, **circumstances})


def job_clause(reason: JobReason) -> str:
    """Return why a job is as it is, to stand behind a colon; empty where nothing is to be said."""
    shown = {name: _shown(name, value) for name, value in reason.numbers.items()}
    before = [clause for name, clause in _BEFORE.items() if name in shown]
    after = [clause for name, clause in _AFTER.items() if name in shown]
    clauses = [clause.format_map(shown) for clause in (*before, _CLAUSES[reason.code])]
    what = ": ".join(filter(None, (*clauses, reason.told)))
    return "; ".join(filter(None, (what, *(clause.format_map(shown) for clause in after))))


def _shown(name: str, value: int | str) -> str:
    match name, value:
        case "gpu_type", str():
            return quoted(value)
        case (("has_mib" | "asked_mib"), int()):
            return format_memory(value)
        case (("begins_within_s" | "rest_s" | "over_s"), int()):
            return f"{value} s" if value % 60 else f"{value // 60} min"
        case "begun_times", int():
            return counted(value, "time")
        case "nodes", int():
            return counted(value, "node")
        case _:
            return str(value)
