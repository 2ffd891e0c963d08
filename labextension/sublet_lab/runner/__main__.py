"""``python -m sublet_lab.runner check|take|run|pod``.

Copying is quick, and what executes notebooks takes a second to import: only who needs it does.
"""

import dataclasses
import json
import logging
import sys
from pathlib import Path

import click

from sublet_lab.runner.exit_codes import BAD_REQUEST
from sublet_lab.runner.taking_along import Budget, TakingError, copy_files


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run a notebook as a job, or see whether it could be run."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")


@main.command()
@click.option("--notebook", required=True, type=click.Path(path_type=Path), help="Its path.")
def check(notebook: Path) -> None:
    """Print as JSON what the notebook has: cells, kernel, parameters.

    Where it cannot run as a job, print why on one line and exit with 3.
    """
    from sublet_lab.runner.notebook import NotebookError, describe_notebook  # noqa: PLC0415

    try:
        description = describe_notebook(notebook.absolute())
    except NotebookError as error:
        click.echo(str(error), err=True)
        sys.exit(BAD_REQUEST)
    click.echo(json.dumps(dataclasses.asdict(description)))


@main.command()
@click.option("--notebook", required=True, type=click.Path(path_type=Path), help="Its path.")
@click.option("--to", required=True, type=click.Path(path_type=Path), help="A folder to make.")
@click.option("--path", "paths", multiple=True, help="Below the notebook's folder; . for all.")
def take(notebook: Path, to: Path, paths: tuple[str, ...]) -> None:
    """Copy the notebook and files beside it, for a job to run in the copy.

    Where that cannot be, print why on one line and exit with 3.
    """
    budget = Budget()
    try:
        copy_files(notebook.absolute(), paths, to.absolute(), budget)
    except TakingError as error:
        click.echo(str(error), err=True)
        sys.exit(BAD_REQUEST)
    click.echo(json.dumps({"files": budget.files, "bytes": budget.bytes}))


@main.command()
@click.option("--request-fd", required=True, type=click.IntRange(0), help="JSON to read.")
@click.option("--progress-fd", required=True, type=click.IntRange(0), help="Lines to write.")
def run(request_fd: int, progress_fd: int) -> None:
    """Run the notebook of a request; stdout and stderr are its log."""
    from sublet_lab.runner.job import log_line_by_line, run_job  # noqa: PLC0415

    log_line_by_line()
    sys.exit(run_job(request_fd, progress_fd))


@main.command()
@click.option("--request-file", required=True, type=click.Path(path_type=Path), help="JSON.")
@click.option("--ending-file", type=click.Path(path_type=Path), help="For the last line.")
def pod(request_file: Path, ending_file: Path | None) -> None:
    """Run the notebook that this pod was made for; its log has the progress, too."""
    from sublet_lab.runner.job import log_line_by_line  # noqa: PLC0415
    from sublet_lab.runner.pod import run_in_pod  # noqa: PLC0415

    log_line_by_line()
    sys.exit(run_in_pod(request_file, ending_file))


if __name__ == "__main__":
    main(prog_name="sublet_lab.runner")
