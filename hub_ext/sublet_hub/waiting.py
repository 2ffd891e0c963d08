"""Why each waiting job waits, and its place in the queue: found anew in each round."""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from sublet_quota.ids import JobId
from sublet_quota.job_queue import JobWait
from sublet_quota.residency import WaitReason

WORDS_FOR_WAITING: Final = MappingProxyType(
    {
        WaitReason.COMING_BACK: "its memory is on its way back to the GPU",
        WaitReason.MAKING_ROOM: "others are being suspended for it",
        WaitReason.TURN: "others have their turn",
        WaitReason.OWNERS_ACTIVE: "an owner is active there",
        WaitReason.NOT_IDLE_YET: "a slice there is not idle yet, or is kept by its owner",
        WaitReason.GIVE_BACK_TOO_SLOW: "it could not leave again as quickly as the pool demands",
        WaitReason.LENDING_OFF: "lending is switched off",
        WaitReason.FOREIGN_PROCESS: "a process that is not Sublet's uses the GPU",
        WaitReason.HOST_MEMORY: "the node has too little memory to suspend others into",
        WaitReason.UNSUSPENDABLE: "what holds the room cannot be suspended",
        WaitReason.GPU_CLOSED: "the GPU fails and is closed",
    }
)
"""Why a job that has its place does not run, for its owner."""


class WaitingReasons:
    """What the last round of the queue found."""

    def __init__(self) -> None:
        self._waits: dict[JobId, JobWait] = {}

    def replace(self, waits: Iterable[JobWait]) -> None:
        """Take a new round's."""
        self._waits = {wait.job_id: wait for wait in waits}

    def find(self, job_id: JobId) -> JobWait | None:
        """One job's."""
        return self._waits.get(job_id)
