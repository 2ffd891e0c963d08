"""``make up``: the hub for people, on this machine."""

import contextlib
import sys
import threading
from pathlib import Path

import click

from sublet_hub.one_machine.find_gpus import first_nvidia_gpu
from sublet_hub.one_machine.folder_lock import FolderInUseError
from sublet_hub.one_machine.machine import OneMachine
from sublet_hub.one_machine.part_keeper import PartGoneError
from sublet_hub.one_machine.paths import Places
from sublet_hub.one_machine.ports import held_ports
from sublet_hub.one_machine.processes import PartDidNotStartError
from sublet_hub.one_machine.pytorch import HOW_TO_GET_IT, pytorch_is_here
from sublet_hub.one_machine.settings import MachineSettings
from sublet_hub.one_machine.signals import when_told_to_stop
from sublet_hub.typed import FACTOR, PORT


@click.command()
@click.option("--device", type=click.Choice(["auto", "nvidia", "simulated"]), default="auto")
@click.option(
    "--port", type=PORT, default=8000, show_default=True, help="Where the hub is reached."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(".sublet"),
    show_default=True,
    help="Where everything is kept: homes, ledger, logs, secrets.",
)
@click.option(
    "--cards",
    default="1xH100:80",
    show_default=True,
    metavar="KINDS",
    help="Simulated GPUs, as NUMBERxMODEL:GIB, such as 2xH100:80,4xL4:24.",
)
@click.option(
    "--speed",
    type=FACTOR,
    default=1.0,
    show_default=True,
    help="Of the simulated GPUs' moves.",
)
@click.option(
    "--quota-source",
    type=click.Choice(["file", "database"]),
    default="file",
    show_default=True,
    help="Where the quota document is kept: `sublet quota apply` puts one into the database.",
)
def main(  # noqa: PLR0913 (click's signature)
    *, device: str, port: int, folder: Path, cards: str, speed: float, quota_source: str
) -> None:
    """Start JupyterHub with Sublet on this machine, and print how to log in."""
    found = first_nvidia_gpu() if device != "simulated" else None
    if device == "nvidia" and found is None:
        raise click.ClickException("no NVIDIA GPU: NVML finds none (try DEVICE=simulated)")
    stop = threading.Event()
    when_told_to_stop(lambda _: stop.set())
    with held_ports(port) as ports:
        settings = MachineSettings(
            Places(folder.resolve(), ports),
            simulated=found is None,
            speed=speed,
            cards=cards,
            quota_source=quota_source,
        )
        try:
            _run(settings, found.name if found else None, stop)
        except (
            FolderInUseError,
            PartDidNotStartError,
            PartGoneError,
            FileNotFoundError,
        ) as error:
            raise click.ClickException(str(error)) from error


def _run(settings: MachineSettings, gpu: str | None, stop: threading.Event) -> None:
    """Run the machine until it is told to stop."""
    _say("Starting JupyterHub with Sublet ...")
    with OneMachine(settings, _say, adopts=True) as machine:
        _say(_welcome(settings, gpu))
        machine.keep_running(stop)
        _say("\nStopping ...")


def _say(text: str) -> None:
    """Say something to whoever still listens: the terminal may be gone."""
    with contextlib.suppress(OSError):
        click.echo(text)


def _welcome(settings: MachineSettings, gpu: str | None) -> str:
    places = settings.places
    sublet = Path(sys.executable).parent / "sublet"
    device = f"the GPU is real: {gpu}" if gpu else f"no NVIDIA GPU here: SIMULATED {settings.cards}"
    return f"""
  Sublet runs at {places.hub_url}   ({device})

  Log in with any name and the password      {settings.password}
  or, to see every GPU, as admin with        {settings.admin_password}
  Both stay the same for this folder.
  All users share this account: good for trying out, no wall between them.

{_pytorch_words(gpu)}  Try: pick a size, open first-steps.ipynb and run it.
    "GPU ..." in JupyterLab's status bar       your slice; a click opens your share and your jobs
    Promote, on train-digits.ipynb's toolbar   train on what is idle; watch it make room for you
  The same in a terminal of JupyterLab: sublet share, sublet jobs submit train-digits.ipynb,
  sublet jobs list
  As admin, here: who holds what, lent to whom (and `lending off` in place of `gpus`)
    {sublet} --url {places.service_url} --token-file {places.admin_token_file} gpus

  {_quota_words(settings)}
  Logs:   {places.logs}
  Stop with Ctrl-C.
"""


def _quota_words(settings: MachineSettings) -> str:
    if settings.quota_source == "database":
        return "Quotas: in the database; `quota show`, `quota apply FILE` in place of `gpus`"
    return f"Quotas: {settings.places.quota_file} (changes are taken up at once)"


def _pytorch_words(gpu: str | None) -> str:
    if gpu is None or pytorch_is_here():
        return ""
    return (
        f"  The examples need PyTorch, and there is none in {sys.prefix}:\n  {HOW_TO_GET_IT}.\n\n"
    )


if __name__ == "__main__":
    sys.exit(main())
