"""The command ``sublet``: one's share and jobs for users, cards and lending for admins.

Exit codes: 0 done; 1 the service refused, or the followed job failed; 2 wrong usage; 3 the
service could not be asked.
"""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

import click

from sublet_lab.command_line.budget import budget
from sublet_lab.command_line.closings import close, closings, drain, open_again
from sublet_lab.command_line.events import events
from sublet_lab.command_line.evict import evict
from sublet_lab.command_line.gpus import gpus
from sublet_lab.command_line.jobs import jobs
from sublet_lab.command_line.lending import lending
from sublet_lab.command_line.notify import notify
from sublet_lab.command_line.own_slice import extend, give_up, history, resize
from sublet_lab.command_line.queue import queue
from sublet_lab.command_line.quota import quota
from sublet_lab.command_line.refusals import refusals
from sublet_lab.command_line.service import Service
from sublet_lab.command_line.share import keep, share, wake
from sublet_lab.command_line.use import use
from sublet_lab.command_line.waits import waits
from sublet_lab.command_line.whole_help import WholeHelp

FURTHER_COMMANDS: Final = "sublet.commands"
"""The entry points of commands that belong to other parts: they are found, and never imported."""

_LOADED_LATER: Final = (
    EntryPoint("simulate", "sublet_lab.command_line.simulation.command:simulate", FURTHER_COMMANDS),
)
"""Own commands that need much of what decides: all others are there sooner without it."""


class Commands(WholeHelp):
    """The commands of this part, those that are loaded when they are asked for, and others'."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *_further_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name, or ``None``."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in _further_commands():
            return own
        loaded = _further_commands()[cmd_name].load()
        return loaded if isinstance(loaded, click.Command) else None


def _further_commands() -> dict[str, EntryPoint]:
    found = (*_LOADED_LATER, *entry_points(group=FURTHER_COMMANDS))
    return {each.name: each for each in found}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--url",
    envvar="SUBLET_SERVICE_URL",
    show_envvar=True,
    help="Base address of the Sublet service, such as https://hub.example.org/services/sublet/.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file with a JupyterHub token. Default: the variable JUPYTERHUB_API_TOKEN.",
)
@click.version_option(package_name="sublet", message="sublet %(version)s")
@click.pass_context
def main(context: click.Context, url: str | None, token_file: Path | None) -> None:
    """See your share of the GPUs, and run notebooks as training jobs on idle ones."""
    context.obj = Service(url, token_file)


_OWNERS: Final = (
    share,
    keep,
    wake,
    give_up,
    extend,
    resize,
    history,
    jobs,
    queue,
    waits,
    quota,
    budget,
)
_ADMINS: Final = (
    gpus,
    use,
    lending,
    events,
    refusals,
    close,
    drain,
    open_again,
    closings,
    evict,
    notify,
)
for command in (*_OWNERS, *_ADMINS):
    main.add_command(command)
