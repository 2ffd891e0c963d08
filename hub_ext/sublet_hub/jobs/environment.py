"""A job's environment: by allow-list, with its slice, and without any token."""

import re
from collections.abc import Mapping

from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.notebooks import NotebookRefusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.wire.api import AccountTemplate, Lease
from sublet_quota.wire.environment import SliceEndpoints, slice_environment, without_fractions

from sublet_hub.host.owner_environment import is_reserved, owner_environment
from sublet_hub.settings import JobSettings

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_MOST_VARIABLES = 100
_MOST_LENGTH = 4096


def refuse_variables(asked: Mapping[str, str]) -> Refusal | None:
    """Return the refusal of variables that an owner asks for and a job cannot have, or ``None``."""
    if len(asked) > _MOST_VARIABLES:
        return refuse(
            NotebookRefusal.TOO_MANY_VARIABLES,
            variables=len(asked),
            most_variables=_MOST_VARIABLES,
        )
    for name, value in asked.items():
        if _NAME.fullmatch(name) is None:
            return refuse(NotebookRefusal.VARIABLE_IS_NO_NAME, variable=name)
        if is_reserved(name):
            return refuse(NotebookRefusal.VARIABLE_RESERVED, variable=name)
        if len(value) > _MOST_LENGTH or "\0" in value:
            return refuse(
                NotebookRefusal.VARIABLE_TOO_LONG, variable=name, most_characters=_MOST_LENGTH
            )
    return None


def job_environment(
    account: AccountTemplate,
    asked: Mapping[str, str],
    job: tuple[str, Lease],
    settings: JobSettings,
    *,
    fractions: bool = True,
) -> dict[str, str]:
    """Return the whole environment of a job's process; ``job`` is its id with its slice.

    ``fractions``: whether frameworks are told which part of the card they may fill.
    """
    job_id, lease = job
    before = {**owner_environment(account), **asked}
    endpoints = SliceEndpoints(
        agent_socket=settings.agent_socket,
        service_url=settings.service_url,
        simulated_socket=settings.simulated_socket,
    )
    variables = slice_environment(lease, endpoints, before)
    told = variables if fractions else without_fractions(variables)
    return {**before, **told, "SUBLET_JOB_ID": job_id}
