"""The plan: what is to be made on a machine, and what of it there is already. Pure.

A file that somebody changed after it was installed is theirs: it is replaced or removed only when
they say so.
"""

import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from typing import assert_never

from sublet_hub.installation.changes import (
    Account,
    Change,
    File,
    Folder,
    Found,
    Kind,
    Line,
    Link,
    Secret,
    digest,
    has_line,
)
from sublet_hub.installation.configuration import (
    INCLUDING_LINE,
    MARK,
    QUOTA_DOCUMENT,
    agent_configuration,
    hub_configuration,
    service_configuration,
)
from sublet_hub.installation.facts import HubKind
from sublet_hub.installation.layout import (
    ACCOUNT,
    AGENT_CONFIGURATION,
    AGENT_UNIT,
    AT_BOOT,
    CONFIGURATION,
    HUB_CONFIGURATION,
    NODE_SECRETS,
    QUOTA,
    SERVICE_CONFIGURATION,
    SERVICE_STATE,
    SERVICE_TOKEN,
    SERVICE_UNIT,
    SIMULATED_UNIT,
    TLJH_PART,
    UNITS,
)
from sublet_hub.installation.manifest import Made, Manifest, entry_for
from sublet_hub.installation.units import agent_unit, service_unit, simulated_unit
from sublet_hub.installation.wishes import Choices


class Verdict(Enum):
    """The standing of one change on the machine as it is."""

    MAKE = "make"
    UPDATE = "update"
    """It is an older installation's."""
    MEND = "mend"
    """It is a secret that is none: empty, or open to others."""
    REPLACE = "replace"
    """It is somebody else's; the original is kept."""
    ASK = "changed since"
    """It was changed after it was installed, and Sublet has something new for it."""
    THEIRS = "yours stays"
    """It was changed after it was installed, and Sublet has nothing new."""
    PRESENT = "is there"
    BLOCKED = "in the way"
    """Something of another kind is there."""
    REMOVE = "remove"
    """It is an older installation's, and needed no more."""
    RESTORE = "restore"
    """What was there before comes back."""
    GONE = "is gone"


@dataclass(frozen=True, slots=True)
class Step:
    """One change, and how it stands."""

    change: Change
    verdict: Verdict
    before: bytes = b""
    """The content that a file has now."""

    @property
    def is_done(self) -> bool:
        """Whether nothing remains to be done."""
        return self.verdict in {Verdict.PRESENT, Verdict.THEIRS}


@dataclass(frozen=True, slots=True)
class Undo:
    """One thing that was made, and what becomes of it."""

    made: Made
    verdict: Verdict


FindAt = Callable[[PurePosixPath], Found]
IsAccount = Callable[[str], bool]


def changes(choices: Choices) -> list[Change]:
    """Return everything that an installation makes, in order: the hub hears of it last."""
    service, agent = (SERVICE_UNIT,), (AGENT_UNIT,)
    units: list[tuple[str, str]] = [
        (SERVICE_UNIT, service_unit(choices)),
        (AGENT_UNIT, agent_unit(choices)),
    ]
    if choices.simulated:
        units.insert(0, (SIMULATED_UNIT, simulated_unit(choices)))
    return [
        Account(ACCOUNT, "the hub service's account", SERVICE_STATE),
        Folder(CONFIGURATION, "Sublet's configuration"),
        Secret(
            SERVICE_TOKEN, "the token by which hub and service know each other", ACCOUNT, service
        ),
        Folder(NODE_SECRETS, "the secrets of nodes"),
        # The service reads it whenever an agent comes.
        Secret(
            NODE_SECRETS / choices.node,
            "by which the service knows the agent",
            ACCOUNT,
            restarts=agent,
        ),
        File(QUOTA, "the quota document: yours to edit", QUOTA_DOCUMENT, once=True),
        File(
            SERVICE_CONFIGURATION,
            "the hub service's settings",
            service_configuration(choices),
            restarts=service,
        ),
        File(
            AGENT_CONFIGURATION,
            "the agent's settings",
            agent_configuration(choices),
            restarts=agent,
        ),
        *(File(UNITS / name, "a systemd unit", text, restarts=(name,)) for name, text in units),
        Folder(AT_BOOT, "what starts with the machine"),
        *(Link(AT_BOOT / name, "starts it with the machine", f"../{name}") for name, _ in units),
        *of_hub(choices),
    ]


def of_hub(choices: Choices) -> list[Change]:
    """Return what of an installation the hub reads when it starts, but for the token."""
    hub, text = choices.hub, hub_configuration(choices)
    what = "the hub's settings for Sublet"
    if hub.kind is HubKind.TLJH and hub.prefix is not None:
        folder = hub.prefix / "config" / "jupyterhub_config.d"
        return [
            Folder(folder, "the hub's further configuration"),
            File(folder / TLJH_PART, what, text),
        ]
    return [
        File(HUB_CONFIGURATION, what, text),
        Line(hub.configuration, "includes them", INCLUDING_LINE, MARK),
    ]


def steps(
    wanted: Sequence[Change], manifest: Manifest, find: FindAt, is_account: IsAccount
) -> list[Step]:
    """Return how each change stands."""
    return [_step(change, manifest, find, is_account) for change in wanted]


def obsolete(wanted: Sequence[Change], manifest: Manifest, find: FindAt) -> list[Undo]:
    """Return what an older installation made and this one needs no more, the last first."""
    needed = {(entry.kind, entry.path) for entry in map(entry_for, wanted)}
    return [
        Undo(made, undo_verdict(made, find))
        for made in reversed(manifest.made)
        if (made.kind, made.path) not in needed
    ]


def undoing(manifest: Manifest, find: FindAt) -> list[Undo]:
    """Return what becomes of everything that was made, the last first."""
    return [Undo(made, undo_verdict(made, find)) for made in reversed(manifest.made)]


def restarted_units(planned: Sequence[Step]) -> tuple[str, ...]:
    """Return the units that run with what is to be replaced, and so are started again."""
    units = [
        unit
        for step in planned
        if not step.is_done
        and step.verdict is not Verdict.MAKE
        and isinstance(step.change, File | Secret)
        for unit in step.change.restarts
    ]
    return tuple(dict.fromkeys(units))


def tells_hub(undo: Undo) -> bool:
    """Whether the hub knows of Sublet by a thing that is there yet."""
    is_part = undo.made.kind == "line" or PurePosixPath(undo.made.path).name == TLJH_PART
    return is_part and undo.verdict is not Verdict.GONE


def undo_verdict(made: Made, find: FindAt) -> Verdict:
    """Return what becomes of one thing that was made."""
    if made.kind == "account":
        return Verdict.REMOVE
    found = find(PurePosixPath(made.path))
    if found.kind is Kind.NOTHING or digest(found.content) == made.replaced:
        return Verdict.GONE
    match made.kind:
        case "folder":
            return Verdict.REMOVE if found.kind is Kind.FOLDER else Verdict.GONE
        case "link":
            ours = found.kind is Kind.LINK and found.target == made.target
            return Verdict.REMOVE if ours else Verdict.GONE
        case "line":
            marked = made.mark.encode() in found.content
            return Verdict.RESTORE if marked else Verdict.GONE
        case _:
            if found.kind is not Kind.FILE or digest(found.content) not in made.digests:
                return Verdict.ASK
            return Verdict.REMOVE if made.original is None else Verdict.RESTORE


def _step(change: Change, manifest: Manifest, find: FindAt, is_account: IsAccount) -> Step:
    if isinstance(change, Account):
        return Step(change, Verdict.PRESENT if is_account(change.name) else Verdict.MAKE)
    found = find(change.path)
    match change:
        case Folder():
            return Step(change, _of_kind(found, Kind.FOLDER))
        case Secret():
            return Step(change, _of_secret(found))
        case Link():
            if found.kind is Kind.LINK and found.target != change.target:
                return Step(change, Verdict.BLOCKED)
            return Step(change, _of_kind(found, Kind.LINK))
        case Line():
            if found.kind in {Kind.NOTHING, Kind.FILE}:
                there = has_line(found.content, change)
                return Step(change, Verdict.PRESENT if there else Verdict.MAKE, found.content)
            return Step(change, Verdict.BLOCKED)
        case File():
            return Step(change, _of_file(change, found, manifest), found.content)
        case _:
            assert_never(change)


def _of_kind(found: Found, kind: Kind) -> Verdict:
    if found.kind is Kind.NOTHING:
        return Verdict.MAKE
    return Verdict.PRESENT if found.kind is kind else Verdict.BLOCKED


def _of_secret(found: Found) -> Verdict:
    closed = not found.mode & (stat.S_IRWXG | stat.S_IRWXO)
    if found.kind is Kind.FILE and not (closed and len(found.content.split()) == 1):
        return Verdict.MEND
    return _of_kind(found, Kind.FILE)


def _of_file(change: File, found: Found, manifest: Manifest) -> Verdict:
    if found.kind is Kind.NOTHING:
        return Verdict.MAKE
    if found.kind is not Kind.FILE:
        return Verdict.BLOCKED
    entry = manifest.entry("file", str(change.path))
    if change.once:
        return Verdict.PRESENT
    if entry is None or digest(found.content) == entry.replaced:
        return Verdict.REPLACE
    now, new = digest(found.content), digest(change.content)
    if now in entry.digests:
        return Verdict.PRESENT if now == new else Verdict.UPDATE
    return Verdict.THEIRS if new in entry.digests else Verdict.ASK
