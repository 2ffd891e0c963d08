"""Refusals of training jobs for what they ask of GPUs, or for where they would run."""

from enum import unique
from typing import Final

from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.reasons.refusals.refuse import RefusalCode, Row
from sublet_quota.reasons.shared_clauses import START_A_SERVER_ONCE

_NEVER: Final = "A job of {asked_%s} never fits: {whose} may have {limit_%s}%s ({line}). {helps}"
_NEVER_OF_TYPE: Final = _NEVER % ("cards", "cards", " of {gpu_type} in all")
_NEVER_SO_MANY_CARDS: Final = _NEVER % ("cards", "cards", " of all types in all")
_NEVER_SO_MUCH_MEMORY: Final = _NEVER % ("mib", "mib", " of memory in all")
_NEVER_SO_MANY_GPUS: Final = (
    "A job on {asked_gpus} never fits: {whose} may have {limit_gpus} in all ({line}). {helps}"
)


@unique
class JobRefusal(RefusalCode):
    """Why a job could never run, or may not be submitted like that."""

    BAD_COMPUTE = Row(
        RefusalReason.BAD_AMOUNT,
        "A job's compute is a part of one GPU: ask for 1 to 1000 milli-GPU.",
    )
    NO_MEMORY = Row(
        RefusalReason.BAD_AMOUNT,
        "A job needs memory: ask for 1 MiB or more, or for a whole GPU.",
    )
    MEMORY_BEYOND_ALL_GPUS = Row(
        RefusalReason.BAD_AMOUNT,
        "That is more memory than any GPU has: ask for less, or for a whole GPU.",
    )
    TOO_FEW_GPUS = Row(
        RefusalReason.BAD_AMOUNT,
        "The job asks for {asked_gpus}, each another, and {most_gpus} that it could use. Ask "
        "for fewer.",
        ("asked_gpus", "most_gpus"),
    )
    SEVERAL_GPUS_ON_MACHINE = Row(
        RefusalReason.BAD_AMOUNT,
        "A job on this machine runs on one GPU, and this one asks for {asked_gpus}: ask for one. "
        "Several processes with one GPU each cannot be suspended for an owner.",
        ("asked_gpus", "most_gpus"),
    )
    SEVERAL_GPUS_WITHOUT_KUEUE = Row(
        RefusalReason.BAD_AMOUNT,
        "The job asks for {asked_gpus}, and without Kueue nobody here starts several pods "
        "together: ask for one, or ask an administrator",
        ("asked_gpus", "most_gpus"),
    )
    LARGER_THAN_GPU = Row(
        RefusalReason.LARGER_THAN_GPU,
        "A job of {asked_mib} fits on no GPU: at most {largest_mib} on {gpu_type}. Ask for less.",
        ("asked_mib", "largest_mib"),
    )
    NO_POOL_LENDS = Row(
        RefusalReason.NO_GPU,
        "No pool lends its GPUs to jobs. Ask an administrator to let one.",
    )
    NO_GPU = Row(RefusalReason.NO_GPU, "There is no GPU that jobs could use. Ask an administrator.")
    NO_GPU_OF_TYPE = Row(
        RefusalReason.NO_GPU,
        "There is no GPU of type {asked_type} that jobs could use{nearest}. There are: {types}.",
    )
    GOING_FIRST = Row(
        RefusalReason.PRIORITY_NOT_ALLOWED,
        "Priority {asked} would put your job before everybody's fair share: ask for 0, or for "
        "less, which lets others' jobs go first. Above 0 is for administrators.",
        ("asked", "most"),
    )
    NO_GROUP_OF_YOURS = Row(
        RefusalReason.UNKNOWN_GROUP,
        "You are no direct member of a group {asked_group} that the quota document knows, so it "
        "cannot pay for your job. {groups_to_choose}",
    )
    NO_TYPES = Row(
        RefusalReason.NO_JOBS, "{payer} may run jobs on no type of GPU ({line}). {helps}"
    )
    OTHER_TYPES = Row(
        RefusalReason.SIZE_NOT_ALLOWED,
        "{payer} may run jobs on {types} ({line}), and not on {asked_type}: ask for such a GPU. "
        "{helps}",
    )
    NO_SIZE_ON_TYPE = Row(
        RefusalReason.SIZE_NOT_ALLOWED,
        "{payer} may have no size on {gpu_type}, and a job is no larger than a size ({line}). "
        "{helps}",
    )
    LARGER_THAN_SIZES = Row(
        RefusalReason.SIZE_NOT_ALLOWED,
        "{payer} may have {largest} on {gpu_type} at most ({line}), and this job asks for {asked}. "
        "{helps}",
        ("asked", "largest"),
    )
    RUNS_TOO_LONG = Row(
        RefusalReason.BAD_AMOUNT,
        "{payer} may run a job for {most_s} at most ({line}), and this one asks for {asked_s}. "
        "{helps}",
        ("asked_s", "most_s"),
    )
    GROUP_JOBS = Row(
        RefusalReason.TOO_MANY_JOBS,
        "Group '{group}' has {jobs} waiting or running and may have {most_jobs} ({line}). {helps}",
        ("jobs", "most_jobs"),
    )
    GROUP_NO_JOBS = Row(
        RefusalReason.TOO_MANY_JOBS, "Group '{group}' may have no jobs ({line}). {helps}"
    )
    """For a group that may have 0: there is none to cancel."""
    NEVER_OF_TYPE = Row(RefusalReason.GROUP_LIMIT, _NEVER_OF_TYPE, ("asked_cards", "limit_cards"))
    NEVER_SO_MANY_CARDS = Row(
        RefusalReason.GROUP_LIMIT, _NEVER_SO_MANY_CARDS, ("asked_cards", "limit_cards")
    )
    NEVER_SO_MUCH_MEMORY = Row(
        RefusalReason.GROUP_LIMIT, _NEVER_SO_MUCH_MEMORY, ("asked_mib", "limit_mib")
    )
    NEVER_SO_MANY_GPUS = Row(
        RefusalReason.GROUP_LIMIT, _NEVER_SO_MANY_GPUS, ("asked_gpus", "limit_gpus")
    )
    OWN_NEVER_OF_TYPE = Row(
        RefusalReason.USER_LIMIT, _NEVER_OF_TYPE, ("asked_cards", "limit_cards")
    )
    OWN_NEVER_SO_MANY_CARDS = Row(
        RefusalReason.USER_LIMIT, _NEVER_SO_MANY_CARDS, ("asked_cards", "limit_cards")
    )
    OWN_NEVER_SO_MUCH_MEMORY = Row(
        RefusalReason.USER_LIMIT, _NEVER_SO_MUCH_MEMORY, ("asked_mib", "limit_mib")
    )
    OWN_NEVER_SO_MANY_GPUS = Row(
        RefusalReason.USER_LIMIT, _NEVER_SO_MANY_GPUS, ("asked_gpus", "limit_gpus")
    )
    SWITCHED_OFF = Row(
        RefusalReason.NO_JOBS,
        "This hub runs no training jobs: an administrator has switched them off. Run the notebook "
        "in your server.",
    )
    DISK_FULL = Row(
        RefusalReason.NO_DISK,
        "The hub takes no new jobs now, as its disk is nearly full: {free_mib} {free_mib:are} "
        "free, and of that it keeps {kept_mib} for its own records. Ask an administrator, and try "
        "again later.",
        ("free_mib", "kept_mib"),
    )
    OWN_JOBS_TOO_LARGE = Row(
        RefusalReason.TOO_MANY_JOBS,
        "Your jobs that wait or run take {used_mib} of the service's memory, and may take "
        "{limit_mib}. Cancel one, or wait until one ends; put what is large of the next ones into "
        "files that their notebooks read.",
        ("used_mib", "limit_mib"),
    )
    ALL_JOBS_TOO_LARGE = Row(
        RefusalReason.TOO_MANY_JOBS,
        "All jobs that wait or run take {used_mib} of the {limit_mib} that the service has for "
        "them, and who has much of it gets no more. Cancel one of yours, or try again when some "
        "have ended.",
        ("used_mib", "limit_mib"),
    )
    ACCOUNT_UNKNOWN = Row(
        RefusalReason.NO_ACCOUNT,
        f"nothing is known of your account here yet: {START_A_SERVER_ONCE}",
    )
    POD_UNKNOWN = Row(
        RefusalReason.NO_ACCOUNT,
        f"nothing is known yet of how your pods are made: {START_A_SERVER_ONCE}",
    )
    NOT_AS_BEFORE = Row(
        RefusalReason.BAD_PARAMETERS,
        "this job cannot be run again as it was: {told}. Submit its notebook anew.",
    )
    """It was taken in when more was allowed."""
