"""The notice on top of the spawn page of a server that is in line, as HTML with text escaped.

There is no script in it: the page loads itself anew by a header, and leaving is a button of the
form. Only groups are named in it, and the server's owner's own place: never other people.
"""

from html import escape

from sublet_quota.reasons.server_queue import before_clause, leaving_clause
from sublet_quota.wire.server_queue import QueueWait

from sublet_spawner.place_in_line import LEAVE_FIELD, LOOKS_AGAIN_S


def render_notice(wait: QueueWait) -> str:
    """Return the place, the expected time or why it is not known, until when, and how to leave.

    Why and for whom it waits is folded up below, in all the sentences that were told.
    """
    what = "In line" if wait.size is None else f"In line for {wait.size}"
    expected = f"{wait.expected_why[:1].upper()}{wait.expected_why[1:]}."
    waits_for = f" In the way are slices of {', '.join(wait.waits_for)}." if wait.waits_for else ""
    return (
        '<section class="alert alert-info sublet-line" role="status" '
        'aria-label="Your place in line">'
        # Who presses Enter in the form below starts a server, and does not leave the line.
        '<input type="submit" hidden tabindex="-1" aria-hidden="true" value="Start">'
        f'<p class="mb-1"><strong>{escape(what)}, at place {wait.place}</strong>; '
        f"{escape(before_clause(wait.before))}.</p>"
        f'<p class="mb-1">{escape(expected)}{escape(waits_for)}</p>'
        f'<p class="mb-2">It {escape(leaving_clause(wait.until))}.</p>'
        '<details class="small mb-2"><summary>Why it waits</summary>'
        f"{escape(wait.message)}</details>"
        f'<p class="small mb-2">You may close this page: nothing hangs on it. It looks again every '
        f"{LOOKS_AGAIN_S} seconds. Starting something else below keeps the time that you have "
        "waited.</p>"
        f'<button type="submit" class="btn btn-secondary btn-sm" name="{LEAVE_FIELD}" '
        'value="1" formnovalidate>Leave the line</button></section>'
    )
