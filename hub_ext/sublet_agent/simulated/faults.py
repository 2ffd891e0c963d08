"""Faults of simulated GPUs on demand: ``python -m sublet_agent.simulated.faults --help``.

For root and the user whose daemon it is. Every fault is one that real cards have.
"""

import dataclasses
import json
import sys

import click

from sublet_agent.simulated.administration import Administration
from sublet_agent.simulated.machine.card import CardSetup, ComputeMode, Figure
from sublet_agent.simulated.machine.machine import DRIVER_VERSION
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode, SimulatedGpuError

_KINDS = click.Choice([kind.value for kind in OperationKind if kind is not OperationKind.STATE])
_gpu = click.option("--gpu", required=True, help="The card's id, as `inspect` shows it.")
_nth = click.option("--nth", default=1, show_default=True, help="The how-manieth from now.")
_pid = click.option("--pid", type=int, help="Only operations on this process.")


@click.group(help="Let simulated GPUs fail on demand, and look at what really is.")
@click.option(
    "--socket",
    envvar="SUBLET_SIMULATED_SOCKET",
    required=True,
    help="The daemon's socket; by default SUBLET_SIMULATED_SOCKET.",
)
@click.pass_context
def command(context: click.Context, socket: str) -> None:
    """Connect to the daemon."""
    context.obj = Administration(socket)


@command.command()
@click.argument("operation", type=_KINDS)
@click.option("--error", default=304, show_default=True, help="The driver's error number.")
@_nth
@_pid
@click.pass_obj
def fail(daemon: Administration, operation: str, error: int, nth: int, pid: int | None) -> None:
    """Let an operation fail without changing anything."""
    try:
        code = CudaCode(error)
    except ValueError as unknown:
        known = ", ".join(f"{each.value} {each.name.lower()}" for each in CudaCode)
        message = f"{error} is no error of the simulated driver: give one of {known}"
        raise click.BadParameter(message) from unknown
    daemon.fail(OperationKind(operation), code, nth=nth, pid=pid)


@command.command()
@click.argument("operation", type=_KINDS)
@click.argument("seconds", type=float)
@_nth
@_pid
@click.pass_obj
def delay(
    daemon: Administration, operation: str, seconds: float, nth: int, pid: int | None
) -> None:
    """Let an operation take longer."""
    daemon.delay(OperationKind(operation), seconds, nth=nth, pid=pid)


@command.command()
@_nth
@_pid
@click.pass_obj
def poison(daemon: Administration, nth: int, pid: int | None) -> None:
    """Let a restore fail as without room: the process is lost for ever."""
    daemon.poison_restore(nth=nth, pid=pid)


@command.command()
@_nth
@_pid
@click.pass_obj
def corrupt(daemon: Administration, nth: int, pid: int | None) -> None:
    """Let a restore bring other bytes back, and say nothing of it."""
    daemon.corrupt_restore(nth=nth, pid=pid)


@command.command("set-up")
@_gpu
@click.option("--driver", default=DRIVER_VERSION, show_default=True, help="The driver's version.")
@click.option("--persistence/--no-persistence", default=True, help="Persistence mode.")
@click.option("--mode", type=click.Choice([each.value for each in ComputeMode]), default="default")
@click.option("--mps", is_flag=True, help="A control daemon of MPS runs.")
@click.option("--mig", is_flag=True, help="MIG splits the card.")
@click.pass_obj
def set_up(  # noqa: PLR0913 - a command's options
    daemon: Administration,
    gpu: str,
    driver: str,
    mode: str,
    *,
    persistence: bool,
    mps: bool,
    mig: bool,
) -> None:
    """Let a card be set up so, and say so; what is not named is as it should be."""
    setup = CardSetup(persistence, ComputeMode(mode), mps=mps, split=mig)
    daemon.set_up(gpu, setup, driver=driver)


@command.command()
@_gpu
@click.argument("figure", type=click.Choice([each.value for each in Figure]))
@click.option("--again", is_flag=True, help="Let the card tell it again.")
@click.pass_obj
def silence(daemon: Administration, gpu: str, figure: str, *, again: bool) -> None:
    """Let a card not tell a figure."""
    daemon.silence(gpu, Figure(figure), silent=not again)


@command.command("hide-memory")
@click.argument("pid", type=int)
@click.option("--again", is_flag=True, help="Let the cards tell it again.")
@click.pass_obj
def hide_memory(daemon: Administration, pid: int, *, again: bool) -> None:
    """Let the cards not tell how much a process holds."""
    daemon.hide_memory(pid, hidden=not again)


@command.command()
@click.pass_obj
def clear(daemon: Administration) -> None:
    """Forget the faults that have not come yet, and let go on what one delays."""
    daemon.clear_faults()


@command.command()
@_gpu
@click.option("--code", default=79, show_default=True, help="The XID.")
@click.pass_obj
def xid(daemon: Administration, gpu: str, code: int) -> None:
    """Report an XID error of a card."""
    daemon.report_xid(gpu, code)


@command.command()
@_gpu
@click.pass_obj
def ecc(daemon: Administration, gpu: str) -> None:
    """Report an uncorrectable memory error of a card."""
    daemon.report_ecc(gpu)


@command.command()
@_gpu
@click.pass_obj
def gone(daemon: Administration, gpu: str) -> None:
    """Let a card vanish."""
    daemon.lose_card(gpu)


@command.command("lose-context")
@click.argument("pid", type=int)
@click.pass_obj
def lose_context(daemon: Administration, pid: int) -> None:
    """Let every GPU call of a process fail from now on."""
    daemon.lose_context(pid, "a fault was asked for")


@command.command("limit-host-memory")
@click.argument("pid", type=int)
@click.argument("mib", type=int)
@click.pass_obj
def limit_host_memory(daemon: Administration, pid: int, mib: int) -> None:
    """Let a process be killed when its image in host memory grows beyond MIB."""
    daemon.limit_host_memory(pid, mib)


@command.command()
@click.option("--verify", is_flag=True, help="Hash every buffer whose hash is known.")
@click.pass_obj
def inspect(daemon: Administration, *, verify: bool) -> None:
    """Print what really is, as JSON; exit 1 where a process's work is lost."""
    truth = daemon.inspect(verify=verify)
    click.echo(json.dumps({"simulated": True, **dataclasses.asdict(truth)}, indent=2))
    if truth.lost:
        sys.exit(1)


def main() -> None:
    """Entry point."""
    try:
        command()
    except SimulatedGpuError as error:
        sys.exit(f"simulated GPUs: {error}")


if __name__ == "__main__":
    main()
