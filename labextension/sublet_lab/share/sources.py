"""Asks the agent of this machine, and the hub service, what this process's slice holds.

Blocking and bounded: for a magic in a cell, and for the widget's thread. The environment says
whom to ask; the token in it goes to the service's own address and nowhere else.
"""

import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self
from urllib.parse import urlsplit

from pydantic import ValidationError
from sublet_quota.wire import api
from sublet_quota.wire.tenant_socket import MAX_LINE_BYTES, TO_TENANT, AskShare, Share, Unknown

_ANSWER_WITHIN_S: Final = 3.0
_MOST_BYTES: Final = 8 * 1024 * 1024


class NoAnswerError(Exception):
    """Nobody says what the slice holds; says why."""


class Sources(Protocol):
    """Who says what one's slice holds."""

    def local(self) -> Share:
        """What the agent says at this moment. ``NoAnswerError``."""
        ...

    def service(self) -> api.Share:
        """What the hub service says. ``NoAnswerError``."""
        ...


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The token goes to the address that was given, and nowhere else."""

    def redirect_request(self, *_request: Any) -> None:
        """Never follow."""


@dataclass(frozen=True, slots=True)
class ShareSources:
    """Whom to ask; each may be missing."""

    agent_socket: str | None = None
    service_url: str | None = None
    token: str | None = None
    no_gpu_reason: str | None = None

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """As Sublet's spawner has set it for this process."""
        known = os.environ if environment is None else environment
        in_slice = bool(known.get("SUBLET_SLICE_ID"))
        return cls(
            agent_socket=(known.get("SUBLET_AGENT_SOCKET") or None) if in_slice else None,
            service_url=known.get("SUBLET_SERVICE_URL") or None,
            token=known.get("JUPYTERHUB_API_TOKEN") or None,
            no_gpu_reason=known.get("SUBLET_NO_GPU_REASON") or None,
        )

    def local(self, within_s: float = _ANSWER_WITHIN_S) -> Share:
        """What the agent says at this moment. ``NoAnswerError``."""
        if self.agent_socket is None:
            reason = self.no_gpu_reason or "This process has no Sublet slice."
            raise NoAnswerError(reason)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(within_s)
                line.connect(self.agent_socket)
                line.sendall(AskShare().model_dump_json().encode() + b"\n")
                with line.makefile("rb") as answers:
                    answer = TO_TENANT.validate_json(answers.readline(MAX_LINE_BYTES))
        except (OSError, ValidationError) as error:
            message = "This machine's GPU agent does not answer."
            raise NoAnswerError(message) from error
        match answer:
            case Share():
                return answer
            case Unknown(message=message):
                raise NoAnswerError(message)
            case _:
                message = f"This machine's GPU agent answered {answer.type!r}."
                raise NoAnswerError(message)

    def service(self) -> api.Share:
        """What the hub service says. ``NoAnswerError``."""
        if self.service_url is None or self.token is None:
            message = "This process does not know the Sublet service, or has no token for it."
            raise NoAnswerError(message)
        if urlsplit(self.service_url).scheme not in {"http", "https"}:
            message = f"{self.service_url!r} is no http or https address."
            raise NoAnswerError(message)
        request = urllib.request.Request(  # noqa: S310 (checked above)
            self.service_url.rstrip("/") + "/api/share",
            headers={"Authorization": f"Bearer {self.token}", "Accept": "application/json"},
        )
        # No proxies of the environment: the service is near, and the token is not for them.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())
        try:
            with opener.open(request, timeout=_ANSWER_WITHIN_S) as response:
                return api.Share.model_validate(json.loads(response.read(_MOST_BYTES)))
        except urllib.error.HTTPError as error:
            with error:
                message = f"The Sublet service answered {error.code}."
            raise NoAnswerError(message) from error
        except (OSError, ValueError) as error:
            message = "The Sublet service does not answer."
            raise NoAnswerError(message) from error
