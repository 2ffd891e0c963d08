"""Asks the agent of this machine, and the hub service, what this process's slice holds.

Blocking and bounded: for a magic in a cell, and for the widget's thread. The environment says
whom to ask; the token in it goes to the service's own address and nowhere else.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, Self

from pydantic import ValidationError
from sublet_quota.wire import api
from sublet_quota.wire.tenant_socket import LocalShare

from sublet_lab.agent_share import ANSWER_WITHIN_S, NoShareError, ask_share_blocking
from sublet_lab.service_calls import (
    ServiceAddressError,
    ServiceAwayError,
    api_address,
    call_service,
)


class UnknownShareError(Exception):
    """No answer to what the slice holds; the message says why."""


class Sources(Protocol):
    """Who says what one's slice holds."""

    def local(self) -> LocalShare:
        """Return what the agent says at this moment. ``UnknownShareError``."""
        ...

    def service(self) -> api.Share:
        """Return what the hub service says. ``UnknownShareError``."""
        ...


@dataclass(frozen=True, slots=True)
class ShareSources:
    """The addresses of agent and service, and the token; each may be missing."""

    agent_socket: str | None = None
    service_url: str | None = None
    token: str | None = None
    no_gpu_reason: str | None = None

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Return the sources that Sublet's spawner has set for this process."""
        known = os.environ if environment is None else environment
        in_slice = bool(known.get("SUBLET_SLICE_ID"))
        return cls(
            agent_socket=(known.get("SUBLET_AGENT_SOCKET") or None) if in_slice else None,
            service_url=known.get("SUBLET_SERVICE_URL") or None,
            token=known.get("JUPYTERHUB_API_TOKEN") or None,
            no_gpu_reason=known.get("SUBLET_NO_GPU_REASON") or None,
        )

    def local(self, within_s: float = ANSWER_WITHIN_S) -> LocalShare:
        """Return what the agent says at this moment. ``UnknownShareError``."""
        if self.agent_socket is None:
            reason = self.no_gpu_reason or "This process has no Sublet slice."
            raise UnknownShareError(reason)
        try:
            return ask_share_blocking(self.agent_socket, within_s)
        except NoShareError as error:
            raise UnknownShareError(str(error)) from error

    def service(self) -> api.Share:
        """Return what the hub service says. ``UnknownShareError``."""
        if self.service_url is None or self.token is None:
            message = "This process does not know the Sublet service, or has no token for it."
            raise UnknownShareError(message)
        try:
            address = api_address(self.service_url) + "share"
            answer = call_service("GET", address, self.token, None, ANSWER_WITHIN_S)
            if answer.status == HTTPStatus.OK:
                return api.Share.model_validate_json(answer.body)
        except ServiceAddressError as error:
            raise UnknownShareError(str(error)) from error
        except (ServiceAwayError, ValidationError) as error:
            message = "The Sublet service does not answer."
            raise UnknownShareError(message) from error
        message = f"The Sublet service answered {answer.status}."
        raise UnknownShareError(message)
