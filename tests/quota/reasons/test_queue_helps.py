"""What would help a job in the queue: only what was found."""

import pytest
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.derivation import DocumentLine
from sublet_quota.reasons.helping import help_clause
from sublet_quota.reasons.queue_helps import queue_helps
from sublet_quota.reasons.waiting import FullLimit, QueueReason, QueueWait

GIB = 1024


def a_limit(group: str | None, *, kept: bool = False) -> FullLimit:
    line = DocumentLine("everyone.jobs.limit.cards", 1)
    return FullLimit(None if group is None else GroupName(group), "1 card", "1", line, kept=kept)


@pytest.mark.parametrize(
    ("wait", "helps"),
    [
        (QueueWait(QueueReason.LENDING_OFF), ["ask an administrator"]),
        (QueueWait(QueueReason.NO_GPU), []),
        (QueueWait(QueueReason.LIMIT_FULL, limit=a_limit(None)), ["cancel a job, or wait until"]),
        (QueueWait(QueueReason.LIMIT_FULL, limit=a_limit(None, kept=True)), []),
        (QueueWait(QueueReason.LIMIT_FULL, limit=a_limit("lab")), []),
        (
            QueueWait(QueueReason.TOO_LITTLE_IDLE, need_mib=40 * GIB, most_mib=10 * GIB),
            ["ask for 10 GiB, 0.5 GPU or less"],
        ),
        (QueueWait(QueueReason.TOO_LITTLE_IDLE, need_mib=40 * GIB, most_mib=0), []),
        (QueueWait(QueueReason.TOO_LITTLE_IDLE, need_mib=10 * GIB, most_mib=10 * GIB), []),
        (
            QueueWait(
                QueueReason.TOO_LITTLE_IDLE, need_mib=40 * GIB, most_mib=10 * GIB, is_whole=True
            ),
            [],
        ),
        (
            QueueWait(QueueReason.LARGER_THAN_GPU, need_mib=99 * GIB, largest_mib=79 * GIB),
            ["ask for 79 GiB, 0.5 GPU or less"],
        ),
        (
            QueueWait(QueueReason.HOST_MEMORY, need_mib=40 * GIB, host_mib=2 * GIB),
            ["ask for 2 GiB, 0.5 GPU or less"],
        ),
        (QueueWait(QueueReason.GPU_KEPT, need_mib=40 * GIB), []),
        (QueueWait(QueueReason.BEHIND_OTHERS, need_mib=40 * GIB), []),
    ],
)
def test_what_helps_a_job_is_told_where_the_round_found_something(
    wait: QueueWait, helps: list[str]
) -> None:
    found = [help_clause(each) for each in queue_helps(wait, 500)]
    assert len(found) == len(helps)
    assert all(clause.startswith(words) for clause, words in zip(found, helps, strict=True))
