"""What who installs is told: the plan, what changes in a file, and what to do next."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from sublet_hub.installation.changes import Account, Change, File, Line, Secret, with_line
from sublet_hub.installation.facts import Facts, Hub, HubKind
from sublet_hub.installation.layout import (
    NODE_SECRETS,
    QUOTA,
    SERVICE_TOKEN,
    SERVICE_UNIT,
    SIMULATED_UNIT,
)
from sublet_hub.installation.plan import Step, Undo, Verdict
from sublet_hub.installation.wishes import Choices

_WORDS = {
    Verdict.ASK: ": changed since it was installed, you are asked",
    Verdict.RESTORE: ": as it was before",
}
"""What is added to the words about a thing, by what becomes of it."""


def introduction(facts: Facts, choices: Choices) -> Iterator[str]:
    """Yield what was found, and what is to be set up on it."""
    hub = choices.hub
    version = hub.environment.versions.get("jupyterhub", "")
    names = dict.fromkeys((hub.kind.value, HubKind.PLAIN.value))
    yield f"Hub:      {', '.join(names)} {version} ({hub.unit}, {hub.environment.python})"
    cards = ", ".join(facts.gpus) or "not looked at: this is an image"
    yield f"GPUs:     {'simulated' if choices.simulated else cards}"
    yield f"Spawner:  {choices.spawner}"
    yield f"Service:  {choices.service_url}"
    if facts.drop_ins:
        yield f"Yours:    {', '.join(map(str, facts.drop_ins))} (changes Sublet's units)"


def plan_lines(steps: Sequence[Step], needless: Sequence[Undo], *, texts: bool) -> Iterator[str]:
    """Yield the plan: a line for each change, and what would change in files.

    ``texts``: also the whole text of each new file.
    """
    for step in steps:
        if step.verdict is Verdict.PRESENT:
            continue
        change = step.change
        yield f"  {step.verdict.value:13} {_name(change)}  ({change.what})"
        if step.verdict in {Verdict.UPDATE, Verdict.REPLACE, Verdict.ASK} or isinstance(
            change, Line
        ):
            yield from _difference(step)
        elif texts and isinstance(change, File) and step.verdict is Verdict.MAKE:
            yield from (f"      | {line}" for line in change.text.splitlines())
    for undo in needless:
        yield _undo_line(undo, f"{undo.made.what}: needed no more")


def undo_lines(
    undos: Sequence[Undo], data: Sequence[PurePosixPath], *, remove_data: bool
) -> Iterator[str]:
    """Yield what would be removed, and what stays."""
    keeps_account = bool(data) and not remove_data
    for undo in undos:
        if undo.made.kind == "account" and keeps_account:
            yield f"  {'keep':13} {undo.made.path}  ({undo.made.what}: its data stays)"
        else:
            yield _undo_line(undo, undo.made.what)
    for path in data:
        yield f"  {'remove' if remove_data else 'keep':13} {path}  (data)"


def what_next(choices: Choices, *, in_image: bool) -> Iterator[str]:
    """Yield what remains to be done by who installed."""
    if in_image:
        yield from _of_image(choices.hub)
        return
    yield from restart_lines(choices)
    yield f"Then see: systemctl status {SERVICE_UNIT.removesuffix('.service')} sublet-agent"
    yield f"Who may have what: {QUOTA}"


def _of_image(hub: Hub) -> Iterator[str]:
    yield "The image is ready: service and agent start with the machine."
    if not hub.is_enabled:
        yield f"  The hub does not yet: in the image, systemctl enable {hub.unit}"
    yield (
        f"Machines made of this image have the same secrets ({SERVICE_TOKEN}, {NODE_SECRETS}). "
        "For secrets of their own, remove these files from the image, and run "
        "`sublet install --yes` on each machine."
    )


def in_the_way(steps: Sequence[Step]) -> list[str]:
    """Return why nothing is made where something of another kind is, with what to do."""
    return [
        f"{_name(step.change)} ({step.change.what}) is something else already, such as a folder "
        "in place of a file: move it away"
        for step in steps
        if step.verdict is Verdict.BLOCKED
    ]


def restart_line(units: Sequence[str], *, why: str) -> str:
    """Return what starts again, and what is lost by that."""
    lost = ""
    if SIMULATED_UNIT in units:
        lost = ": what notebooks and jobs hold on the simulated GPUs is lost"
    return f"  {'restart':13} {', '.join(units)}{lost}{f'  ({why})' if why else ''}"


def restart_lines(choices: Choices) -> Iterator[str]:
    """Yield how the hub is restarted, and what that ends."""
    hub = choices.hub
    yield f"Restart the hub, so that it knows of Sublet: systemctl restart {hub.unit}"
    if hub.kind is HubKind.PLAIN and choices.spawner == "sublet-local":
        yield "  (that ends the notebook servers which it started: do it when nobody works)"


def data_question(folders: Sequence[PurePosixPath]) -> str:
    """Return the question whether data may be removed."""
    names = " and ".join(str(path) for path in folders)
    return f"Remove the data in {names} too (the ledger, jobs' logs)? It cannot be undone."


def _difference(step: Step) -> Iterator[str]:
    change = step.change
    if isinstance(change, File):
        after = change.content
    elif isinstance(change, Line):
        after = with_line(step.before, change)
    else:
        return
    lines = difflib.unified_diff(
        step.before.decode(errors="replace").splitlines(),
        after.decode(errors="replace").splitlines(),
        "now",
        "then",
        lineterm="",
        n=1,
    )
    yield from (f"      {line}" for line in lines)


def _name(change: Change) -> str:
    if isinstance(change, Account):
        return f"account {change.name}"
    return f"{change.path}{' (mode 0600)' if isinstance(change, Secret) else ''}"


def _undo_line(undo: Undo, what: str) -> str:
    becomes = undo.verdict.value if undo.verdict is not Verdict.ASK else "remove?"
    return f"  {becomes:13} {undo.made.path}  ({what}{_WORDS.get(undo.verdict, '')})"
