"""The notice on top of the spawn page of a server that is in line, as HTML with text escaped.

There is no script in it: the page loads itself anew by a header, and leaving is a button of the
form. Only groups are named in it, and the server's owner's own place: never other people.
"""

from html import escape

from sublet_quota.wire.server_queue import QueueWait

from sublet_spawner.place_in_line import LEAVE_FIELD, LOOKS_AGAIN_S


def render_notice(wait: QueueWait) -> str:
    """Return the place, the expected time or why it is not known, for whom, and how to leave."""
    return (
        '<section class="alert alert-info sublet-line" role="status" '
        'aria-label="Your place in line">'
        # Who presses Enter in the form below starts a server, and does not leave the line.
        '<input type="submit" hidden tabindex="-1" aria-hidden="true" value="Start">'
        f'<p class="mb-2">{escape(wait.message)}</p>'
        f'<p class="small mb-2">You may close this page: nothing hangs on it. It looks again every '
        f"{LOOKS_AGAIN_S} seconds. Starting something else below keeps the time that you have "
        "waited.</p>"
        f'<button type="submit" class="btn btn-outline-secondary btn-sm" name="{LEAVE_FIELD}" '
        'value="1" formnovalidate>Leave the line</button></section>'
    )
