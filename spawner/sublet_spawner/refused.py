"""The exceptions by which JupyterHub hears, for page and API alike, that a server does not start.

JupyterHub 6 has an exception for this; on 5 an ``HTTPError`` with two extra attributes does the
same. JupyterHub shows the text with ``message_html`` unescaped, so it is escaped here.
"""

import re
from html import escape
from typing import Final

from jupyterhub import spawner as hub_spawner  # type: ignore[import-untyped]
from sublet_quota.reasons.derivation import derivation_sentence
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.wire.server_queue import QueueWait
from tornado.web import HTTPError

SERVICE_UNREACHABLE: Final = "service-unreachable"
IN_LINE: Final = "in-line"

_REASON: Final = re.compile(r"[a-z][a-z-]{0,39}")
_SEE_OTHER: Final = 303
_BAD_REQUEST: Final = 400
_FORBIDDEN: Final = 403
_CONFLICT: Final = 409
_UNAVAILABLE: Final = 503
_SPAWN_EXCEPTION: Final = getattr(hub_spawner, "SpawnException", None)


def refused(refusal: Refusal) -> HTTPError:
    """Return the exception that says ``refusal`` in its own words, and what it follows from.

    A rule that names neither a group nor a line says nothing that the words do not.
    """
    malformed = refusal.reason is RefusalReason.BAD_PARAMETERS
    why = ""
    if refusal.why is not None and (refusal.why.group is not None or refusal.why.lines):
        why = f" {derivation_sentence(refusal.why)}".rstrip()
    status_code = _BAD_REQUEST if malformed else _FORBIDDEN
    return not_started(f"{refusal.message}{why}", refusal.reason, status_code)


def in_line(wait: QueueWait, page: str) -> HTTPError:
    """Return the exception for a server that waits in line, and is started when its turn comes.

    JupyterHub's pages of a start that is pending, or failed, say it too, and lead to ``page``, the
    address of the page with the place.
    """
    return _leads_to(page, not_started(wait.message, IN_LINE, _CONFLICT))


def sent_on(message: str, page: str) -> HTTPError:
    """Return the exception that leads a browser to another page; ``page`` is its address."""
    error = _leads_to(page, not_started(message, IN_LINE, _SEE_OTHER))
    # The spawn page sets these headers of an exception.
    error.headers = {"Location": page}  # type: ignore[attr-defined]
    return error


def unavailable(message: str) -> HTTPError:
    """Return the exception for a service that cannot be asked."""
    return not_started(message, SERVICE_UNREACHABLE, _UNAVAILABLE)


def not_started(message: str, reason: str, status_code: int) -> HTTPError:
    """Return what this JupyterHub knows best; ``reason`` becomes a label of its metrics."""
    label = reason if _REASON.fullmatch(reason) else "refused"
    error: HTTPError
    if _SPAWN_EXCEPTION is not None:
        error = _SPAWN_EXCEPTION(
            message, reason=label, message_html=escape(message), status_code=status_code
        )
    else:
        error = HTTPError(status_code, message)
    # Read by the spawn page (which else shows the exception's repr), and on 5 by the API too.
    error.jupyterhub_message = message  # type: ignore[attr-defined]
    error.jupyterhub_html_message = escape(message)  # type: ignore[attr-defined]
    return error


def _leads_to(page: str, error: HTTPError) -> HTTPError:
    """Let pages that show the exception lead on to ``page``: by a link, and by themselves.

    Those pages put it in as it is, when it comes; a browser heeds the element then too.
    """
    address = escape(page)
    error.jupyterhub_html_message += (  # type: ignore[attr-defined]
        f' <a class="alert-link" href="{address}">Open your place in line</a>'
        f'<meta http-equiv="refresh" content="1; url={address}">'
    )
    return error
