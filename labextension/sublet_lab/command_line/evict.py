"""``sublet evict``: end one user's notebook server, or send one job back to the queue."""

import re
from typing import Final

import click
from sublet_quota.wire.evictions import LEAST_GRACE_S, MOST_GRACE_S, EvictionInfo, EvictionRequest

from sublet_lab.command_line.asked import asked_for
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import clock, json_option, plain, print_json, wants_json

_LENGTH: Final = re.compile(r"([1-9][0-9]{0,5})([smh])")
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600}


def _seconds(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """Return a length of time in seconds."""
    if text is None:
        return None
    length = _LENGTH.fullmatch(text)
    if length is None:
        message = f"{plain(text)!r} is no length of time: write 90s, 2m or 1h"
        raise click.BadParameter(message)
    seconds = int(length[1]) * _UNITS_S[length[2]]
    if not LEAST_GRACE_S <= seconds <= MOST_GRACE_S:
        message = f"{text} is no grace: give {LEAST_GRACE_S}s at least, and {MOST_GRACE_S}s at most"
        raise click.BadParameter(message)
    return seconds


@click.command()
@click.argument("what", metavar="SERVER-OR-JOB")
@click.option(
    "--reason", "--why", "reason", required=True, help="Its owner reads it, with your name."
)
@click.option(
    "--grace",
    "grace_s",
    callback=_seconds,
    help=f"How long a server has from now on, {LEAST_GRACE_S}s at least; 2m if left out.",
)
@click.option("--cancel", is_flag=True, help="A job ends, and does not go back to the queue.")
@json_option
@pass_service
def evict(service: Service, what: str, reason: str, grace_s: int | None, *, cancel: bool) -> None:
    """Stop a server (OWNER/NAME; the default one: OWNER/), or take a job off its GPU (admins).

    Its owner is told by whom and why. A server is stopped by JupyterHub when its grace is over; a
    job goes back to the queue as from a card that is drained.
    """
    typed_as = {"what": "SERVER-OR-JOB"}
    asked = asked_for(
        EvictionRequest, typed_as, what=what, reason=reason, grace_s=grace_s, cancel=cancel
    )
    made = service.post(EvictionInfo, "evictions", asked)
    if wants_json():
        print_json(made)
        return
    click.echo(plain(_told(made)))


def _told(made: EvictionInfo) -> str:
    if made.job_id is None:
        name = f"{made.owner}/{made.server}"
        return f"Server {name} will be stopped at {clock(made.due_at)}. {made.owner} is told."
    what = "is cancelled" if made.cancels else "goes back to the queue"
    return f"Job {made.job_id} of {made.owner} {what}. {made.owner} is told."
