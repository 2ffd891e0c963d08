"""What the spawn page shows of a server that is in line, as HTML with text escaped.

There is no script in it: the page of the place loads itself anew by a header, and leaving is a
button of its form. As loading anew would lose a choice half made, sizes are on a page of their own.
Only groups are named, and the server's owner's own place: never other people.
"""

from html import escape
from typing import Final

from sublet_quota.reasons.server_queue import before_clause, leaving_clause
from sublet_quota.wire.server_queue import QueueWait

from sublet_spawner.place_in_line import LEAVE_FIELD, LOOKS_AGAIN_S, STAY_FIELD

_WITHOUT_START: Final = "<style>#spawn_form .feedback-container{display:none}</style>"
"""Hides JupyterHub's own button below the form: there is nothing here that it could start."""


def render_place(wait: QueueWait, other_page: str) -> str:
    """Return the place, the expected time or why it is not known, until when, and how to leave.

    Why it waits is folded up below. ``other_page``: the address of the sizes.
    """
    expected = f"{wait.expected_why[:1].upper()}{wait.expected_why[1:]}."
    waits_for = f" In the way are slices of {', '.join(wait.waits_for)}." if wait.waits_for else ""
    return (
        f"{_WITHOUT_START}"
        '<section class="alert alert-info sublet-line" role="status" '
        'aria-label="Your place in line">'
        # Sent by whatever button, it starts nothing that nobody picked.
        f'<input type="hidden" name="{STAY_FIELD}" value="1">'
        f'<p class="fs-5 mb-2"><strong>{escape(_what(wait))}, at place {wait.place}</strong></p>'
        f'<p class="mb-1">{escape(_sentence(before_clause(wait.before)))} '
        f"{escape(expected)}{escape(waits_for)}</p>"
        f'<p class="mb-2">It {escape(leaving_clause(wait.until))}.</p>'
        '<details class="small mb-3"><summary>Why it waits</summary>'
        f"{escape(wait.message)}</details>"
        '<div class="d-flex flex-wrap gap-2">'
        f'<a class="btn btn-primary btn-sm" href="{escape(other_page)}">Ask for something else</a>'
        '<button type="submit" class="btn btn-secondary btn-sm" '
        f'name="{LEAVE_FIELD}" value="1" formnovalidate>Leave the line</button></div>'
        '<p class="small mt-3 mb-0">You may close this page: nothing hangs on it. It looks again '
        f"every {LOOKS_AGAIN_S} seconds.</p></section>"
    )


def render_way_back(wait: QueueWait, page: str) -> str:
    """Return the line above the sizes that leads back to the place, at the address ``page``."""
    return (
        '<p class="alert alert-info sublet-line" role="status">'
        f"<strong>{escape(_what(wait))}, at place {wait.place}</strong>. Asking for something else "
        "takes its place in line, and keeps the time that you have waited. "
        f'<a class="alert-link" href="{escape(page)}">Back to your place in line</a></p>'
    )


def _what(wait: QueueWait) -> str:
    return f"In line for {wait.title}" if wait.title else "In line"


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}."
