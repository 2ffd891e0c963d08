"""``make demo``: plays the story, prints it live, and exits non-zero if anything was lost."""

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from tornado.httpclient import HTTPClientError

from sublet_hub.host.private_files import write_private
from sublet_hub.one_machine.demo.cells import Cells
from sublet_hub.one_machine.demo.choice import CannotPlayError, choose
from sublet_hub.one_machine.demo.jupyter_client import Person
from sublet_hub.one_machine.demo.parts_watch import while_all_run
from sublet_hub.one_machine.demo.play import play
from sublet_hub.one_machine.demo.record import Record
from sublet_hub.one_machine.demo.report import print_report
from sublet_hub.one_machine.demo.sampling import gpu_seconds, sample_for_ever
from sublet_hub.one_machine.demo.sizes import Sizes
from sublet_hub.one_machine.demo.stage import Casting, Script, Stage
from sublet_hub.one_machine.demo.timeline import draw_timeline
from sublet_hub.one_machine.hub_configuration import NOTEBOOKS
from sublet_hub.one_machine.machine import OneMachine
from sublet_hub.one_machine.paths import Places
from sublet_hub.one_machine.ports import held_ports
from sublet_hub.one_machine.processes import PartDidNotStartError
from sublet_hub.one_machine.settings import MachineSettings
from sublet_hub.one_machine.signals import exit_once, when_told_to_stop
from sublet_hub.typed import FACTOR

QUOTA = """\
gpu_types:
  GPU: {{match: "*"}}
pools:
  - name: interactive
    memory_overcommit: 2
    compute_overcommit: 4
    idle_after: 3s
    turn: {turn_s:g}s
    give_back_within: {give_back_within_s}s
    lend_at_least: 2s
sizes:
  - {{name: medium, title: Medium, memory: "{small_mib} MiB", compute: 0.5}}
  - {{name: large, title: Large, memory: "{large_mib} MiB", compute: 0.5}}
  - {{name: three-quarters, title: Three quarters, memory: 1/4, compute: 0.75}}
  - {{name: quarter, title: A quarter, memory: "{small_mib} MiB", compute: 0.25}}
  - {{name: whole, title: Whole, memory: 1, compute: 1}}
groups:
  course: {{}}
  lab: {lab}
notebooks: {{when_full: queue}}
"""
_GUARANTEED = "{guaranteed: {GPU: 1}}"
"""In the act about it alone: who borrows beside a guarantee needs host memory for a whole cap, and
the story is played where there is enough for what its owners hold.
"""


@click.command()
@click.option("--device", type=click.Choice(["auto", "nvidia", "simulated"]), default="auto")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Folder for the timeline (SVG), the record (JSON) and the logs.",
)
@click.option(
    "--speed",
    type=FACTOR,
    default=40.0,
    show_default=True,
    help="Simulated GPU: how much faster than a real H100 memory moves.",
)
@click.option(
    "--poison",
    is_flag=True,
    help="Simulated GPU: let a restore fail for good, to see that the demo tells it.",
)
@click.option(
    "--without-room-check",
    is_flag=True,
    help="Simulated GPU: switch the check for room off, to see what is lost then.",
)
def main(
    device: str, output: Path, speed: float, *, poison: bool, without_room_check: bool
) -> None:
    """Play Sublet's main job on this machine: a hub, five owners, a training job, one GPU."""
    try:
        choice = choose(device, speed)
    except CannotPlayError as error:
        raise click.ClickException(str(error)) from error
    card, sizes = choice.card, choice.sizes
    if card is not None and (poison or without_room_check):
        raise click.ClickException("a real GPU is not broken on purpose: add --device simulated")
    when_told_to_stop(exit_once)
    output.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Sublet on one machine; the GPU is {choice.words}", markup=False)
    record = Record(lambda text: console.print(text, markup=False))
    record.facts["device"] = choice.words
    with tempfile.TemporaryDirectory(prefix="sublet-demo-") as folder, held_ports() as ports:
        settings = MachineSettings(
            Places(Path(folder), ports),
            simulated=card is None,
            quota=quota_of(sizes),
            speed=speed,
            gpu_memory_gib=sizes.card_gib,
            # Owners on several cards would never meet.
            gpus=() if card is None else (card.gpu_id,),
            unsafe_skip_room_check=without_room_check,
        )
        try:
            with OneMachine(settings, console.print, adopts=True) as machine:
                record.tell("hub, service and agent answer")
                asyncio.run(_perform(record, machine, sizes, poison=poison))
        except PartDidNotStartError as error:
            record.expect(held=False, otherwise=str(error))
        finally:
            _keep_logs(settings.places.logs, output)
    record.facts["gpu_seconds"] = gpu_seconds(record)
    (output / "demo.json").write_text(json.dumps(record.as_json(), indent=1), encoding="utf-8")
    draw_timeline(record, output / "timeline.svg")
    console.print()
    print_report(record, console)
    console.print(f"timeline: {output / 'timeline.svg'}; record: {output / 'demo.json'}")
    if record.wrong:
        sys.exit(1)


def quota_of(sizes: Sizes, *, guaranteed: bool = False) -> str:
    """Return the quota document of the story; ``guaranteed``: of the act about that."""
    return QUOTA.format(
        lab=_GUARANTEED if guaranteed else "{}",
        turn_s=sizes.turn_s,
        give_back_within_s=sizes.give_back_within_s,
        large_mib=sizes.large_cap_mib,
        small_mib=sizes.small_cap_mib,
    )


async def _perform(record: Record, machine: OneMachine, sizes: Sizes, *, poison: bool) -> None:
    settings = machine.settings

    def person(name: str) -> Person:
        return Person(settings.places.hub_url, name, settings.password)

    cast = (
        Casting("ada", "course", "large", round(sizes.large_gib, 1), 1),
        Casting("bea", "course", "large", round(sizes.large_gib, 1), 2),
        Casting("cleo", "course", "medium", round(sizes.small_gib, 1), 3),
    )
    guaranteed = Casting("dora", "lab", "whole", round(sizes.large_gib, 1), 4)
    # The story's amounts, and what moves, are without it.
    late = Casting("emil", "course", "large", 0.5, 5)
    kind = "simulated" if settings.simulated else "nvidia"
    stage = Stage(
        record=record,
        script=Script(
            cast=cast,
            guaranteed=guaranteed,
            late=late,
            training_notebook=NOTEBOOKS / kind / "train-digits.ipynb",
            training={
                "steps": sizes.training_steps,
                "hold_gib": round(sizes.training_gib, 1),
                "step_s": 0.02,
            },
            compute_rounds=sizes.compute_rounds,
            patience_s=sizes.patience_s,
            turns_patience_s=sizes.turns_patience_s,
        ),
        cells=Cells(simulated=settings.simulated),
        admin=Person(settings.places.hub_url, "admin", settings.admin_password),
        people={role.name: person(role.name) for role in (*cast, guaranteed, late)},
        # Whole at once: the service, which looks every few seconds, would take half of it as it is.
        set_guarantee=lambda given: write_private(
            settings.places.quota_file,
            quota_of(sizes, guaranteed=given).encode(),
            forced=False,
        ),
        before_first_return=_poisoner(settings) if poison else None,
    )
    sampling = None
    try:
        await stage.admin.log_in()
        sampling = asyncio.ensure_future(sample_for_ever(record, stage.admin))
        await while_all_run(machine.parts, record, play(stage))
    except (TimeoutError, RuntimeError, HTTPClientError, OSError) as error:
        record.expect(held=False, otherwise=f"the story could not go on: {error}")
    finally:
        for kernel in stage.kernels.values():
            kernel.close()
        if sampling is not None:
            sampling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sampling


def _poisoner(settings: MachineSettings) -> Callable[[int], None]:
    def poison(pid: int) -> None:
        command = [
            sys.executable,
            "-m",
            "sublet_agent.simulated.faults",
            f"--socket={settings.places.simulated_socket}",
            "poison",
            f"--pid={pid}",
        ]
        subprocess.run(command, check=True, capture_output=True)

    return poison


def _keep_logs(logs: Path, output: Path) -> None:
    kept = output / "logs"
    kept.mkdir(exist_ok=True)
    for log in logs.glob("*.log"):
        (kept / log.name).write_bytes(log.read_bytes())


if __name__ == "__main__":
    main()
