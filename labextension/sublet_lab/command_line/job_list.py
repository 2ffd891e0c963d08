"""``sublet jobs list``: the queue from its head on, filtered and sorted, and what was left out."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import click
from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.reasons.job_stops import JobStop, stop_word
from sublet_quota.wire.jobs import JobInfo

from sublet_lab.command_line.group_option import OF_GROUP
from sublet_lab.command_line.service import Service, pass_service
from sublet_lab.command_line.tables import (
    ago,
    csv_option,
    duration,
    is_wide,
    json_option,
    plain,
    print_csv,
    print_json,
    print_table,
    wants_csv,
    wants_json,
)
from sublet_lab.command_line.typed import WholeNumber

_STATES: Final = tuple(state.value for state in JobState)
_SUSPENDED: Final = JobStop.SUSPENDED.value
_SORTS: Final[dict[str, Callable[[JobInfo], Any]]] = {
    "owner": lambda job: job.owner,
    "name": lambda job: job.name,
    "state": lambda job: _STATES.index(job.state),
    "memory": lambda job: -job.memory_mib,
    "node": lambda job: (job.slice is None, _node_of(job) or "", _index_of(job) or 0),
}
_BY_SERVICE: Final = ("queue", "newest")
_FIELDS: Final = (
    "job_id",
    "owner",
    "name",
    "state",
    "stopped",
    "stopped_since",
    "place",
    "node",
    "gpu_index",
    "gpu_type",
    "pool",
    "memory_mib",
    "gpus",
    "cells_done",
    "cells_total",
    "submitted_at",
    "started_at",
    "ended_at",
    "reason_code",
    "reason",
)


@click.command("list")
@click.option("--owner", help="Only another user's (admins).")
@OF_GROUP
@click.option(
    "--state",
    "states",
    type=click.Choice((*_STATES, _SUSPENDED)),
    multiple=True,
    help="Only those in this state; may be repeated. suspended: those of the running ones that "
    "stand still.",
)
@click.option("--node", help="Only those on this node.")
@click.option("--type", "gpu_type", help="Only those on cards whose type has this text in it.")
@click.option("--pool", help="Only those on cards of this pool.")
@click.option(
    "--sort",
    type=click.Choice((*_BY_SERVICE, *_SORTS)),
    default="queue",
    show_default=True,
    help="queue: those that have a GPU, those that wait, the next one first, those that are over.",
)
@click.option(
    "--limit", type=WholeNumber(1), default=50, show_default=True, help="The first so many."
)
@json_option
@csv_option
@pass_service
def list_jobs(  # noqa: PLR0913 (click's signature)
    service: Service,
    *,
    owner: str | None,
    of: str | None,
    states: tuple[str, ...],
    node: str | None,
    gpu_type: str | None,
    pool: str | None,
    sort: str,
    limit: int,
) -> None:
    """List your jobs, in the order of the queue; admins: everybody's."""

    def is_wanted(job: JobInfo) -> bool:
        lease = None if job.slice is None else job.slice.lease
        shown = _SUSPENDED if job.stopped is not None else job.state.value
        return (
            (not stands or shown in states)
            and (node is None or (lease is not None and lease.node == node))
            and (pool is None or (lease is not None and lease.pool == pool))
            and (gpu_type is None or (lease is not None and has_type(lease.gpu_type, gpu_type)))
        )

    # Who sorts, or looks at where jobs are, must see all of them.
    stands = _SUSPENDED in states or JobState.RUNNING.value in states
    looks_at_all = sort not in _BY_SERVICE or stands or {node, gpu_type, pool} != {None}
    asked = {JobState.RUNNING.value if state == _SUSPENDED else state for state in states}
    found: dict[str, JobInfo] = {}
    total = None
    for page in service.pages(
        JobInfo,
        "jobs",
        None if looks_at_all else limit,
        order="queue" if sort != "newest" else None,
        owner=owner,
        group=of,
        state=tuple(sorted(asked)),
    ):
        total = page.total if total is None else total
        # A job that has moved in the queue meanwhile may be on two pages.
        found |= {job.job_id: job for job in page.entries if is_wanted(job)}
    listed = list(found.values())
    if sort in _SORTS:
        listed.sort(key=_SORTS[sort])
    if looks_at_all:
        total, listed = len(listed), listed[:limit]
    _print(listed)
    left_out = 0 if total is None else total - len(listed)
    if left_out > 0:
        more = "1 more is" if left_out == 1 else f"{left_out} more are"
        message = f"{more} not shown: --limit {total} shows all."
        click.echo(message, err=True)


def _print(listed: list[JobInfo]) -> None:
    if wants_json():
        print_json(listed)
    elif wants_csv():
        print_csv(_FIELDS, (_values(job) for job in listed))
    elif not listed:
        click.echo("No jobs.")
    elif is_wide():
        print_table(
            ("!JOB", "OWNER", "NAME", "STATE", ">CELLS", ">MEMORY", "GPU", "SUBMITTED", "REMARKS"),
            (
                (
                    job.job_id,
                    job.owner,
                    job.name,
                    job_state(job),
                    cells_of(job),
                    memory_of(job),
                    _gpu_of(job),
                    ago(job.submitted_at),
                    job.reason,
                )
                for job in listed
            ),
        )
    else:
        _print_narrow(listed)


def _print_narrow(listed: list[JobInfo]) -> None:
    """Print a line a job; whose they are stands above where that is of all of them alike."""
    owners = {job.owner for job in listed}
    if len(owners) == 1:
        click.echo(f"Of {plain(listed[0].owner)}:")
    whose = ("~OWNER",) if len(owners) > 1 else ()
    print_table(
        ("!JOB", *whose, "~NAME", "!STATE", ">CELLS", "!GPU"),
        (
            (
                job.job_id,
                *((job.owner,) if whose else ()),
                job.name,
                job_state(job),
                cells_of(job),
                _gpu_of(job),
            )
            for job in listed
        ),
    )


def _values(job: JobInfo) -> list[object]:
    lease = None if job.slice is None else job.slice.lease
    own = {name: getattr(job, name) for name in _FIELDS if hasattr(job, name)}
    there = {name: getattr(lease, name, None) for name in ("node", "gpu_index", "gpu_type", "pool")}
    return [{**own, **there}[name] for name in _FIELDS]


def has_type(told: str, wanted: str) -> bool:
    """Whether a card's type is one that somebody means by a part of its name."""
    return wanted.casefold() in told.casefold()


def memory_of(job: JobInfo) -> str:
    """Return how much GPU memory a job has, or asks for, on each GPU."""
    return format_memory(job.memory_mib) if job.memory_mib else "a whole GPU"


def job_state(job: JobInfo) -> str:
    """Return in words how a job stands: its place in the queue, or that it stands still."""
    if job.place is not None:
        return f"{job.state}, place {job.place}"
    return str(job.state) if job.stopped is None else f"{stop_word(job.stopped)}{_since(job)}"


def stop_facts(job: JobInfo) -> str:
    """Return how a job that has begun stands still, since when and for whom; empty: it does not."""
    if job.stopped is None:
        return job.suspended_for or ""
    for_whom = f" {job.suspended_for}" if job.suspended_for else ""
    return f"{stop_word(job.stopped)}{for_whom}{_since(job)}"


def _since(job: JobInfo) -> str:
    since = job.stopped_since
    return "" if since is None else f", {duration(datetime.now(UTC) - since)}"


def cells_of(job: JobInfo) -> str:
    """Return how many of a job's cells are done."""
    return f"{job.cells_done}/{'?' if job.cells_total is None else job.cells_total}"


def _gpu_of(job: JobInfo) -> str:
    return "" if job.slice is None else f"{_node_of(job)} {_index_of(job)}"


def _node_of(job: JobInfo) -> str | None:
    return None if job.slice is None else job.slice.lease.node


def _index_of(job: JobInfo) -> int | None:
    return None if job.slice is None else job.slice.lease.gpu_index
