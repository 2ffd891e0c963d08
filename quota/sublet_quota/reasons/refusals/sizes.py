"""Refusals of what was asked for: a pool, a size, or amounts that a user may not have."""

from enum import unique

from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.reasons.refusals.refuse import RefusalCode, Row


@unique
class SizeRefusal(RefusalCode):
    """Why a size, or amounts, cannot be asked for. ``offered`` are the sizes that can."""

    UNKNOWN_POOL = Row(
        RefusalReason.UNKNOWN_POOL,
        "There is no pool {asked_pool}{nearest}. Pick one of: {pools}.",
    )
    UNKNOWN_SIZE = Row(
        RefusalReason.UNKNOWN_SIZE, "There is no size {asked_size}{nearest}. {offered}"
    )
    IN_ANOTHER_POOL = Row(
        RefusalReason.UNKNOWN_SIZE,
        "Size '{size}' lies in pool '{size_pool}', not in '{pool}'. {offered}",
    )
    UNKNOWN_GROUP = Row(
        RefusalReason.UNKNOWN_GROUP,
        "There is no group {asked_group}{nearest} that could pay for '{owner}'. {groups_to_choose}",
    )
    NO_SIZE_OPEN = Row(
        RefusalReason.SIZE_NOT_ALLOWED, "'{owner}' may pick no size ({line}). {helps}"
    )
    NO_SIZE_OPEN_IN_POOL = Row(
        RefusalReason.SIZE_NOT_ALLOWED,
        "'{owner}' may pick no size in pool {asked_pool} ({line}). {helps}",
    )
    SIZE_NOT_OPEN = Row(
        RefusalReason.SIZE_NOT_ALLOWED, "{payer} may not have size {asked_size} ({line}). {helps}"
    )
    TYPE_NOT_OPEN = Row(
        RefusalReason.SIZE_NOT_ALLOWED,
        "{payer} may not have slices on {gpu_type} ({line}). {helps}",
    )
    NO_OWN_AMOUNTS = Row(
        RefusalReason.SIZE_NOT_ALLOWED,
        "{payer} may not have amounts other than a size's ({asked}; {line}). {helps}",
        ("asked",),
    )
    ABOVE_ALL_SIZES = Row(
        RefusalReason.SIZE_NOT_ALLOWED,
        "{payer} may not have {asked}: the largest size to pick in pool '{pool}' is {largest} "
        "({line}). {helps}",
        ("asked", "largest"),
    )
    AMOUNT_WITHOUT_SIZES = Row(
        RefusalReason.SIZE_NOT_ALLOWED,
        "{payer} may not have {asked}: there is no size to pick in pool '{pool}' ({line}). {helps}",
        ("asked",),
    )
    SIZE_AND_AMOUNTS = Row(RefusalReason.BAD_AMOUNT, "Ask for a size or for amounts, not for both.")
    MEMORY_MISSING = Row(RefusalReason.BAD_AMOUNT, "Give both amounts: memory (in MiB) is missing.")
    COMPUTE_MISSING = Row(
        RefusalReason.BAD_AMOUNT, "Give both amounts: compute (in milli-GPU) is missing."
    )
    MEMORY_BEYOND_ALL_GPUS = Row(
        RefusalReason.BAD_AMOUNT, "That is more memory than any GPU has: ask for less."
    )
    COMPUTE_BEYOND_ALL_GPUS = Row(
        RefusalReason.BAD_AMOUNT, "That is more compute than any GPU has: ask for less."
    )
    MEMORY_TOO_LITTLE = Row(
        RefusalReason.BAD_AMOUNT, "memory is {too_little}: ask for 1 MiB or more."
    )
    COMPUTE_TOO_LITTLE = Row(
        RefusalReason.BAD_AMOUNT, "compute is {too_little}: ask for 1 milli-GPU or more."
    )
