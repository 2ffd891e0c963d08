"""Refusals of a notebook server by its spawner: the choice, the account, the pod's request."""

from enum import unique

from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.reasons.refusals.refuse import RefusalCode, Row


@unique
class ServerRefusal(RefusalCode):
    """Why a server does not start. ``key`` and ``keys`` are of ``user_options``, as was sent."""

    NO_OBJECT = Row(
        RefusalReason.BAD_PARAMETERS,
        "user_options is {value}: send an object, {{}} for the default size",
    )
    UNKNOWN_KEYS = Row(
        RefusalReason.BAD_PARAMETERS, "user_options has {keys}: allowed are {allowed}"
    )
    NO_NAME = Row(
        RefusalReason.BAD_PARAMETERS,
        "{key} is {value}: give a name of 1 to {most_letters} letters",
    )
    NO_NUMBER = Row(
        RefusalReason.BAD_PARAMETERS,
        "{key} is {value}: give a whole number, {most} at most",
    )
    NOT_TAKEN = Row(
        RefusalReason.BAD_PARAMETERS,
        "The GPU service takes no server such as this one: {told:.600}",
    )
    GIVEN_TWICE = Row(RefusalReason.BAD_PARAMETERS, "{key} was given {times}: give it once")
    PROFILE_UNUSABLE = Row(RefusalReason.BAD_PARAMETERS, "The profile cannot be used: {told}")
    NOT_WITHOUT_GPU = Row(
        RefusalReason.SIZE_NOT_ALLOWED,
        "Servers without a GPU are not offered on this hub: pick one of the sizes",
    )
    NO_SYSTEM_ACCOUNT = Row(
        RefusalReason.NO_ACCOUNT,
        "There is no system account named {account!r} on this machine: ask an admin to make one",
    )
    SYSTEM_ACCOUNT = Row(
        RefusalReason.NO_ACCOUNT,
        "The account {account!r} has uid {uid}, and those below {least_uid} are the system's: no "
        "server runs as one. Ask an admin for an account of your own, under another name",
    )
    GPU_MEMORY_UNKNOWN = Row(
        RefusalReason.NO_GPU,
        "The memory of GPU {gpu} on {node} is not known, so no fraction of it can be asked for: "
        "have an admin set KAI's unit to 'memory'",
    )
    POD_REFUSED = Row(
        RefusalReason.POD_REFUSED,
        "Kubernetes refuses the pod of this server, which an admin has to see to: {told:.600}",
    )
    NO_MIG_PROFILE = Row(
        RefusalReason.LARGER_THAN_GPU,
        "No MIG profile of this hub has {asked_mib} and {asked_milli}: its profiles are "
        "{profiles}. Pick a smaller size.",
        ("asked_mib", "asked_milli"),
    )
