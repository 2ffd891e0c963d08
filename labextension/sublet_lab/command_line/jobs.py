"""``sublet jobs``: notebooks that run as training jobs."""

import contextlib
import json
import time
from datetime import timedelta
from typing import Any, NoReturn

import click
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.wire.jobs import JobForecast, JobInfo, JobLog, JobRequest

from sublet_lab.command_line.asked import asked_for, compute_of, memory_mib_of
from sublet_lab.command_line.job_list import (
    cells_of,
    job_state,
    list_jobs,
    memory_of,
    stop_facts,
)
from sublet_lab.command_line.service import REFUSED, SUBMITTING_S, Service, id_in_path, pass_service
from sublet_lab.command_line.slices import place_of, state_of
from sublet_lab.command_line.tables import (
    clock,
    duration,
    json_option,
    plain,
    plain_log,
    print_facts,
    print_json,
    wants_json,
)
from sublet_lab.command_line.typed import WholeNumber
from sublet_lab.command_line.whole_help import WholeHelp
from sublet_lab.notebooks.job_copies import JobCopies
from sublet_lab.notebooks.own_server import own_server
from sublet_lab.runner.taking_along import TakingError

_ASK_AGAIN_S = 1.0
_TYPED_AS = {
    "notebook": "NOTEBOOK",
    "parameters": "-p",
    "memory_mib": "--memory",
    "max_run_s": "--max-run",
    "environment": "--env",
    "take_along": "--take",
}
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.group(cls=WholeHelp)
def jobs() -> None:
    """Run notebooks as training jobs on idle GPUs."""


jobs.add_command(list_jobs)


@jobs.command()
@click.argument("notebook")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the notebook: JSON, or else text. May be repeated.",
)
@click.option("--name", help="What to call the job. Default: the notebook's name.")
@click.option(
    "--memory",
    default="whole",
    show_default=True,
    help="GPU memory, such as '20 GiB', or 'whole' for all of a card.",
)
@click.option("--compute", default="1", show_default=True, help="GPUs: 0.5, or 500m.")
@click.option("--gpu-type", "--type", "gpu_type", help="Only cards of this type.")
@click.option("--group", help="The group that pays. Default: whichever fits best.")
@click.option(
    "--priority",
    type=WholeNumber(-100, 100),
    default=0,
    show_default=True,
    help="Below 0 lets others' jobs go first; above 0, before what is fair, is for admins alone.",
)
@click.option(
    "--max-run",
    metavar="TIME",
    help="Stop it after this time: 90m, 12h, 2d. Default: what the quota document says.",
)
@click.option(
    "--env",
    "environment",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable of the job's environment. May be repeated.",
)
@click.option(
    "--take",
    "take_along",
    multiple=True,
    metavar="PATH",
    help="A file or folder beside the notebook, copied now for the job to run with; . for all. "
    "May be repeated.",
)
@click.option(
    "--retries",
    type=WholeNumber(0, 5),
    default=0,
    show_default=True,
    help="How often to begin anew after it has failed.",
)
@click.option(
    "--forecast",
    is_flag=True,
    help="Only say what would become of it; its notebook is looked into, where the service can.",
)
@click.option("--follow", is_flag=True, help="Show its log until it ends.")
@json_option
@pass_service
def submit(
    service: Service,
    /,
    notebook: str,
    *,
    follow: bool,
    forecast: bool,
    **given: Any,
) -> None:
    """Run NOTEBOOK, a path below your notebook folder, as it is now, as a job."""
    request = _request(notebook, given)
    if forecast:
        _print_forecast(_forecast(service, request))
        return
    job = _submit(service, request)
    if wants_json():
        print_json(job)
    else:
        click.echo(_told(job))
    if follow:
        _follow(service, job.job_id, 0)


@jobs.command()
@click.argument("job_id")
@json_option
@pass_service
def show(service: Service, job_id: str) -> None:
    """Show all of one job."""
    job = service.get(JobInfo, f"jobs/{id_in_path(job_id)}")
    if wants_json():
        print_json(job)
        return
    lease = job.slice.lease if job.slice else None
    print_facts(
        [
            ("Job", job.job_id),
            ("Name", job.name),
            ("Owner", job.owner),
            ("Notebook", job.notebook),
            ("Parameters", json.dumps(job.parameters) if job.parameters else ""),
            ("State", job_state(job)),
            ("Reason", job.reason),
            ("Cancelled by", job.cancelled_by or ""),
            ("Cells", cells_of(job)),
            ("Stands still", stop_facts(job)),
            ("Attempts", _attempts(job)),
            ("Longest run", _longest_run(job)),
            ("Took along", ", ".join(job.take_along)),
            ("Memory", memory_of(job)),
            ("GPU", place_of(lease) if lease else ""),
            ("Slice", state_of(job.slice) if job.slice else ""),
            ("Priority", str(job.priority)),
            ("Paid by", _payer(job)),
            ("Submitted", clock(job.submitted_at)),
            ("Started", clock(job.started_at)),
            ("Ended", clock(job.ended_at)),
            ("Exit code", "" if job.exit_code is None else str(job.exit_code)),
            ("Output", job.output_notebook or ""),
        ]
    )
    if job.failure is not None and job.failure.traceback:
        click.echo()
        click.echo(plain_log(job.failure.traceback))


@jobs.command()
@click.argument("job_id")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends.")
@json_option
@pass_service
def log(service: Service, job_id: str, follow: bool) -> None:  # noqa: FBT001 (click's signature)
    """Show what a job has printed.

    With --follow the exit code is 1 if the job failed or was cancelled.
    """
    path = id_in_path(job_id)
    if wants_json():
        print_json(service.get(JobLog, f"jobs/{path}/log"))
        return
    offset = _print_rest(service, path, 0).next_offset
    if follow:
        _follow(service, path, offset)


@jobs.command()
@click.argument("job_id")
@json_option
@pass_service
def again(service: Service, job_id: str) -> None:
    """Run a job again: a new one that asks for the same."""
    path = f"jobs/{id_in_path(job_id)}/again"
    job = service.post(JobInfo, path, None, SUBMITTING_S, **own_server())
    files = JobCopies.of_this_server()
    if files is not None:
        # Should it fail, the job's first attempt says why.
        with contextlib.suppress(TakingError):
            files.copy_for(job)
    if wants_json():
        print_json(job)
    else:
        click.echo(_told(job))


@jobs.command()
@click.argument("job_id")
@json_option
@pass_service
def cancel(service: Service, job_id: str) -> None:
    """End a job; it has a moment to save what it wants."""
    job = service.post(JobInfo, f"jobs/{id_in_path(job_id)}/cancel")
    if wants_json():
        print_json(job)
    else:
        click.echo(_told(job))


def _told(job: JobInfo) -> str:
    """Return how a job is, and why, as a sentence."""
    why = f": {plain(job.reason)}" if job.reason else ""
    return f"Job {plain(job.job_id)} is {job.state}{why}".removesuffix(".") + "."


def _forecast(service: Service, request: JobRequest) -> JobForecast:
    files = JobCopies.of_this_server()
    if files is not None:
        try:
            files.locate(request)
        except TakingError as error:
            raise click.ClickException(plain(str(error))) from error
    return service.post(JobForecast, "jobs/forecast?look=1", request, SUBMITTING_S)


def _submit(service: Service, request: JobRequest) -> JobInfo:
    files = JobCopies.of_this_server()
    if files is None:
        return service.post(JobInfo, "jobs", request, SUBMITTING_S, **own_server())
    try:
        with files.copied(request) as copy:
            job = service.post(JobInfo, "jobs", request, SUBMITTING_S, **own_server())
            # Should it fail, the job's first attempt copies.
            with contextlib.suppress(TakingError):
                files.settle(copy, job)
    except TakingError as error:
        raise click.ClickException(plain(str(error))) from error
    return job


def _request(notebook: str, given: dict[str, Any]) -> JobRequest:
    memory = given["memory"]
    return asked_for(
        JobRequest,
        _TYPED_AS,
        notebook=notebook,
        name=given["name"],
        parameters={n: _value(v) for n, v in _pairs("-p", given["parameters"])},
        memory_mib="whole" if memory == "whole" else memory_mib_of(memory),
        compute_milli=compute_of(given["compute"]),
        gpu_type=given["gpu_type"],
        group=given["group"],
        priority=given["priority"],
        max_run_s=_seconds(given["max_run"]),
        environment=dict(_pairs("--env", given["environment"])),
        take_along=given["take_along"],
        retries=given["retries"],
    )


def _pairs(option: str, texts: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, _ in pairs:
        if not equals or not name:
            message = f"{option} takes NAME=VALUE, not {plain(name)!r}"
            raise click.UsageError(message)
    return [(name, value) for name, _, value in pairs]


def _value(text: str) -> Any:
    """Return JSON where the text is some; ``NaN`` and the like are not."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS_S else (text, "s")
    if not number.isascii() or not number.isdigit() or int(number) == 0:
        message = f"--max-run {plain(text)!r} is no time: write 90m, 12h or 2d"
        raise click.UsageError(message)
    return int(number) * _UNITS_S[unit]


def _attempts(job: JobInfo) -> str:
    return f"{job.attempts}, {job.retries} retries asked for" if job.retries else ""


def _print_forecast(forecast: JobForecast) -> None:
    """Print what would become of a job; exit with 1 if it would be refused."""
    if wants_json():
        print_json(forecast)
    else:
        click.echo(plain(forecast.message))
        if forecast.expected_wait_s:
            wait = duration(timedelta(seconds=forecast.expected_wait_s))
            click.echo(f"Expected wait: {wait}, by {plain(forecast.basis)}.")
        if forecast.max_run_s is not None:
            longest = duration(timedelta(seconds=forecast.max_run_s))
            click.echo(f"It is stopped after {longest} at the latest, pauses not counted.")
        if forecast.allowed and not forecast.notebook_checked:
            click.echo("Its notebook was not looked into: that happens when the job begins.")
    if not forecast.allowed:
        click.get_current_context().exit(REFUSED)


def _payer(job: JobInfo) -> str:
    """Return the group that pays for a job: of its slice, else the one that was named."""
    paying = None if job.slice is None else job.slice.group
    return paying or job.group or ""


def _longest_run(job: JobInfo) -> str:
    limit = job.max_run_s
    return "" if limit is None else f"{duration(timedelta(seconds=limit))}, pauses not counted"


def _print_rest(service: Service, job_id: str, offset: int) -> JobLog:
    """Print what there is from ``offset`` on; return the last part."""
    while True:
        part = service.get(JobLog, f"jobs/{job_id}/log", offset=offset)
        click.echo(plain_log(part.text), nl=False)
        if part.next_offset == offset:
            return part
        offset = part.next_offset


def _follow(service: Service, job_id: str, offset: int) -> None:
    """Print the log until the job has ended; exit with 1 if it did not end well."""
    while True:
        part = _print_rest(service, job_id, offset)
        if part.ended:
            break
        offset = part.next_offset
        time.sleep(_ASK_AGAIN_S)
    job = service.get(JobInfo, f"jobs/{job_id}")
    click.echo(_told(job), err=True)
    if job.state in {JobState.FAILED, JobState.CANCELLED}:
        click.get_current_context().exit(REFUSED)
