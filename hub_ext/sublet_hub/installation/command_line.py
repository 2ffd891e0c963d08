"""``sublet install`` and ``sublet uninstall``.

Exit codes: 0 done, or nothing to do; 1 something keeps from it, or a part does not run; 2 wrong
usage.
"""

import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import click

from sublet_hub.errors import SubletHubError
from sublet_hub.installation.carrying_out import Carrier
from sublet_hub.installation.changes import Kind
from sublet_hub.installation.hub_restart import is_behind
from sublet_hub.installation.layout import (
    ACCOUNT,
    AGENT_UNIT,
    DATA,
    MANIFEST,
    SERVICE_UNIT,
    SIMULATED_UNIT,
    UNITS,
)
from sublet_hub.installation.looking import drop_ins, look
from sublet_hub.installation.options import Options, as_before, as_text, named_of, wishes_of
from sublet_hub.installation.plan import (
    changes,
    obsolete,
    restarted_units,
    steps,
    tells_hub,
    undoing,
)
from sublet_hub.installation.refusals import refusals
from sublet_hub.installation.running import what_runs, why_not_under
from sublet_hub.installation.suspended import suspended_slices, why_not_removed
from sublet_hub.installation.system import LinuxSystem, System
from sublet_hub.installation.tree import Tree
from sublet_hub.installation.wishes import DEFAULT_NODE, DEFAULT_PORT, SPAWNERS, Choices, choices
from sublet_hub.installation.words import (
    data_question,
    in_the_way,
    introduction,
    plan_lines,
    restart_line,
    restart_lines,
    undo_lines,
    what_next,
)
from sublet_hub.ledger.database import LedgerReadError
from sublet_hub.typed import PORT


class InsidePath(click.ParamType):  # type: ignore[type-arg, unused-ignore] # as of its release
    """A path on the machine, or inside the image."""

    name = "path"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> PurePosixPath:
        """Return an absolute path."""
        path = PurePosixPath(value)
        if not path.is_absolute():
            self.fail(f"{value} does not begin with /", param, ctx)
        return path


_ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("/"),
    help="An image's folder in place of this machine; nothing in it is started.",
)
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Show the plan, and change nothing.")
_YES = click.option(
    "--yes", is_flag=True, help="Do not ask. What you changed since is left as it is."
)


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a command: on which machine, and who answers what it asks."""

    tree: Tree
    system: System
    yes: bool
    dry_run: bool

    @staticmethod
    def on(root: Path, *, yes: bool, dry_run: bool) -> "Session":
        """Return a run on this machine, or on an image's folder."""
        at = root.resolve()
        return Session(Tree(at), LinuxSystem(at), yes, dry_run)

    @property
    def carrier(self) -> Carrier:
        """What carries plans out here."""
        return Carrier(self.tree, self.system, self.answer, click.echo)

    def goes_on(self) -> bool:
        """Whether the plan that was shown is to be carried out."""
        agreed = not self.dry_run and (self.yes or click.confirm("Do this?"))
        if not agreed:
            click.echo("Nothing was changed.")
        return agreed

    def answer(self, question: str) -> bool:
        """Return the answer to a question about what somebody changed, or about data."""
        return not self.yes and click.confirm(question)


@click.command()
@_DRY_RUN
@_YES
@_ROOT
@click.option("--spawner", type=click.Choice(SPAWNERS), help="At first: what fits the hub.")
@click.option(
    "--device",
    type=click.Choice(["nvidia", "simulated"]),
    help="At first: nvidia. Simulated GPUs are for trying out.",
)
@click.option(
    "--port",
    type=PORT,
    help=f"The service's, on this machine. At first: {DEFAULT_PORT}.",
)
@click.option("--node", help=f"The machine's name. At first: {DEFAULT_NODE}.")
@click.option("--hub-unit", help="The systemd unit that runs the hub.")
@click.option("--hub-config", type=InsidePath(), help="The hub's configuration file.")
@click.option("--hub-python", type=InsidePath(), help="The interpreter that the hub runs with.")
@click.option("--users-python", type=InsidePath(), help="That of users' servers and jobs.")
@click.option("--base-url", help="The hub's base URL, where its configuration cannot be read.")
@click.option("--hub-api-url", help="Where the hub's API is, likewise.")
def install(*, dry_run: bool, yes: bool, root: Path, **options: Any) -> None:
    """Set Sublet up for real use on this machine, on the hub that is there.

    The hub service and the agent become systemd units that start with the machine, and the hub
    learns of them. The plan is shown, and nothing is changed before you agree; `sublet uninstall`
    undoes all of it. Sublet must be installed in the hub's own Python environment.

    Options are kept: the next `sublet install` begins with those of the last one.
    """
    with _told():
        install_on(Session.on(root, yes=yes, dry_run=dry_run), as_text(options))


@click.command()
@_DRY_RUN
@_YES
@_ROOT
@click.option("--remove-data", is_flag=True, help="Also the ledger and jobs' logs, for good.")
@click.option(
    "--leave-servers",
    is_flag=True,
    help="Also while notebook servers have a slice: nobody brings back the suspended ones then, "
    "and what they hold on simulated GPUs is lost.",
)
def uninstall(
    *, dry_run: bool, yes: bool, root: Path, remove_data: bool, leave_servers: bool
) -> None:
    """Remove what `sublet install` made, and restore what was there before.

    Data (the ledger, jobs' logs) stays unless you say otherwise. Stop all notebook servers that
    have a slice before, and cancel all jobs: while any run, they are named, and nothing is removed.
    """
    with _told():
        session = Session.on(root, yes=yes, dry_run=dry_run)
        uninstall_from(session, remove_data=remove_data, leave_servers=leave_servers)


def install_on(session: Session, given: Options) -> None:
    """Look, show the plan, and carry it out where that is agreed to.

    ``ClickException`` where something keeps from it, or a part does not start.
    """
    tree, version = session.tree, importlib.metadata.version("sublet")
    carrier = session.carrier
    manifest = carrier.manifest
    options = {**manifest.options, **given}
    wishes = wishes_of(options)
    facts = look(tree, session.system, version, wishes, named_of(options))
    before = as_before(manifest.options, given)
    if before:
        click.echo(f"Options:  {before}  (as at the last install)")
    _refuse(refusals(facts, wishes))
    chosen = choices(facts, facts.hubs[0], wishes)
    wanted = changes(chosen)
    planned = steps(wanted, manifest, tree.find, tree.has_account)
    needless = obsolete(wanted, manifest, tree.find)
    upgraded = manifest.version not in {"", version}
    for line in introduction(facts, chosen):
        click.echo(line)
    if facts.account is not None and manifest.entry("account", ACCOUNT) is None:
        click.echo(f"Account:  {ACCOUNT} is there already, and becomes the service's")
    click.echo()
    if all(step.is_done for step in planned) and not needless and not upgraded:
        _keep_as_it_is(session, chosen, options)
        return
    for line in plan_lines(planned, needless, texts=session.dry_run):
        click.echo(line)
    again = _units(chosen) if upgraded else restarted_units(planned)
    if again:
        why = f"Sublet {manifest.version} is {version} now" if upgraded else ""
        click.echo(restart_line(again, why=why))
    _refuse(in_the_way(planned))
    if session.goes_on():
        changed = carrier.carry_out(planned, needless, version, options)
        _start(session.system, chosen, _units(chosen) if upgraded else changed)
        for line in ("", *what_next(chosen, in_image=facts.in_image)):
            click.echo(line)


def _keep_as_it_is(session: Session, chosen: Choices, options: Options) -> None:
    """Start what does not run; nothing is to be changed. ``ClickException`` where one does not."""
    click.echo("Everything is there already: nothing to change.")
    if not session.dry_run:
        session.carrier.remember(options)
        _start(session.system, chosen, ())
    if is_behind(session.tree, session.system, chosen):
        click.echo(f"{chosen.hub.unit} was started before its configuration was changed.")
        for line in restart_lines(chosen):
            click.echo(line)


def _start(system: System, chosen: Choices, changed: tuple[str, ...]) -> None:
    """Start what does not run, and again what changed. ``ClickException`` where one does not."""
    failed = [
        unit
        for unit in _units(chosen)
        if (unit in changed or not system.is_active(unit)) and not system.restart(unit)
    ]
    if failed:
        hints = "; ".join(f"journalctl -u {unit} -n 30" for unit in failed)
        message = (
            f"{', '.join(failed)} did not start. See: {hints}. Then run `sublet install` again"
        )
        raise click.ClickException(message)


def _units(chosen: Choices) -> tuple[str, ...]:
    """Return the units, in the order in which they start."""
    units = (SERVICE_UNIT, AGENT_UNIT)
    return (SIMULATED_UNIT, *units) if chosen.simulated else units


def uninstall_from(session: Session, *, remove_data: bool, leave_servers: bool) -> None:
    """Show what would be removed, and remove it where that is agreed to.

    ``ClickException`` where something of users would be lost or orphaned.
    """
    tree, carrier = session.tree, session.carrier
    if tree.find(MANIFEST).kind is Kind.NOTHING:
        click.echo(f"Nothing is installed here: there is no {MANIFEST}.")
        return
    undos = undoing(carrier.manifest, tree.find)
    data = [path for path in DATA if tree.find(path).kind is Kind.FOLDER]
    for line in undo_lines(undos, data, remove_data=remove_data):
        click.echo(line)
    _refuse(_why_not_removed(session, leave_servers=leave_servers))
    if not session.goes_on():
        return
    _stop_handing_out(session, leave_servers=leave_servers)

    def may_remove_data() -> bool:
        return remove_data or session.answer(data_question(data))

    for line in carrier.undo(undos, may_remove_data=may_remove_data):
        click.echo(f"  stays      {line}")
    for path in drop_ins(tree):
        click.echo(f"  stays      {path}: yours, and counts again after another install")
    if any(map(tells_hub, undos)):
        click.echo("Restart the hub, so that it forgets Sublet.")


def _stop_handing_out(session: Session, *, leave_servers: bool) -> None:
    """Stop the service, and look again; ``ClickException`` where something runs now.

    Whoever was asked may have taken their time, in which service and agent went on. From here on
    no job starts, and no server gets a slice.
    """
    system = session.system
    was_active = system.is_active(SERVICE_UNIT)
    system.stop(SERVICE_UNIT)
    reasons = _why_not_removed(session, leave_servers=leave_servers)
    if reasons and was_active:
        system.restart(SERVICE_UNIT)
    _refuse(reasons)


def _why_not_removed(session: Session, *, leave_servers: bool) -> list[str]:
    """Return what of users would be lost or orphaned, each with what to do."""
    tree = session.tree
    simulated = session.carrier.manifest.entry("file", str(UNITS / SIMULATED_UNIT)) is not None
    try:
        running = what_runs(tree)
    except LedgerReadError as error:
        unknown = (
            f"{error}: it is not known which servers and jobs run. See that none has a slice "
            "any more; then say --leave-servers"
        )
        reasons = [] if leave_servers else [unknown]
    else:
        reasons = why_not_under(running, simulated=simulated, leave_servers=leave_servers)
    return reasons if leave_servers else [*reasons, *why_not_removed(suspended_slices(tree))]


@contextmanager
def _told() -> Iterator[None]:
    """Tell what goes wrong in a sentence."""
    try:
        yield
    except (SubletHubError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _refuse(reasons: list[str]) -> None:
    if reasons:
        listed = "\n".join(f"  - {reason}" for reason in reasons)
        message = f"nothing was changed, because\n{listed}"
        raise click.ClickException(message)
