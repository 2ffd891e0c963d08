"""Carry a plan out, and undo it: each step is written into the manifest before it is made.

So whatever ends an installation in its middle, the next one goes on from there, and so does an
undoing: what the manifest names and is not there yet is nothing to remove.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import quote

from sublet_hub.installation.changes import (
    Account,
    File,
    Folder,
    Kind,
    Line,
    Link,
    Secret,
    digest,
    with_line,
    without_line,
)
from sublet_hub.installation.layout import DATA, MANIFEST, ORIGINALS, STATE, UNITS
from sublet_hub.installation.manifest import Made, Manifest, entry_for, manifest_of
from sublet_hub.installation.options import Options
from sublet_hub.installation.plan import Step, Undo, Verdict
from sublet_hub.installation.system import System
from sublet_hub.installation.tree import Tree

_SECRET = 0o600
_READABLE = 0o644
_PRIVATE_FOLDER = 0o700

Ask = Callable[[str], bool]
"""A question to who installs; whether they say yes."""


@dataclass(slots=True)
class Carrier:
    """What carries plans out on one machine, or in one image's folder."""

    tree: Tree
    system: System
    ask: Ask
    say: Callable[[str], None]

    @property
    def manifest(self) -> Manifest:
        """What was made here. ``ConfigurationError`` where that cannot be read."""
        found = self.tree.find(MANIFEST)
        if found.kind is not Kind.FILE:
            return Manifest()
        return manifest_of(found.content, str(MANIFEST))

    def remember(self, options: Options) -> None:
        """Keep the options of an installation for the next one."""
        manifest = self.manifest
        if dict(options) != dict(manifest.options):
            self._keep(replace(manifest, options=options))

    def carry_out(
        self, steps: Sequence[Step], needless: Sequence[Undo], version: str, options: Options
    ) -> tuple[str, ...]:
        """Make what is to be made; return the units that must be started again.

        What somebody changed is replaced only when they say so.
        """
        manifest = self._begin(version, options)
        restarts: list[str] = []
        for step in steps:
            if step.is_done or (
                step.verdict is Verdict.ASK and not self.ask(_replace_question(step))
            ):
                continue
            manifest = self._make(step, manifest)
            if isinstance(step.change, File | Secret):
                restarts += step.change.restarts
        for undo in needless:
            if self._may_go(undo):
                manifest = self._undo(undo, manifest)
        self.system.reload()
        return tuple(dict.fromkeys(restarts))

    def undo(self, undos: Sequence[Undo], *, may_remove_data: Callable[[], bool]) -> list[str]:
        """Remove what was made; return what stays, in words.

        Whether data may go is asked last, and only where there is any.
        """
        manifest = replace(self.manifest, options={})
        stays: list[str] = []
        for undo in undos:
            # At once: what runs would miss what is removed before its unit is.
            self._stop(undo.made)
        accounts = [undo for undo in undos if undo.made.kind == "account"]
        for undo in (each for each in undos if each not in accounts):
            if self._may_go(undo):
                manifest = self._undo(undo, manifest)
                continue
            before = undo.made.original
            kept = "" if before is None else f" (as it was before Sublet: {before})"
            stays.append(f"{undo.made.path}: changed by you{kept}")
            manifest = self._keep(manifest.lacking(undo.made))
        data = [path for path in DATA if self.tree.find(path).kind is Kind.FOLDER]
        if data and not may_remove_data():
            # Else the next account might get its number, and the data with it.
            owners = [f"the account {undo.made.path}, whose the data is" for undo in accounts]
            stays += [*(f"{path}: data" for path in data), *owners]
        else:
            for path in data:
                self.tree.remove_with_content(path)
            for undo in accounts:
                manifest = self._undo(undo, manifest)
        self.system.reload()
        if not manifest.made:
            self._end()
        return stays

    def _may_go(self, undo: Undo) -> bool:
        return undo.verdict is not Verdict.ASK or self.ask(
            f"{undo.made.path} was changed after it was installed. Remove it?"
        )

    def _stop(self, made: Made) -> None:
        path = PurePosixPath(made.path)
        if made.kind == "file" and path.parent == UNITS:
            self.system.stop(path.name)

    def _begin(self, version: str, options: Options) -> Manifest:
        manifest = self.manifest
        if self.tree.find(STATE).kind is Kind.NOTHING:
            self.tree.make_folder(STATE, 0o755)
        begun = replace(manifest, version=version, options=options)
        return manifest if begun == manifest else self._keep(begun)

    def _keep(self, manifest: Manifest) -> Manifest:
        self.tree.write(MANIFEST, manifest.to_json(), _READABLE)
        return manifest

    def _make(self, step: Step, manifest: Manifest) -> Manifest:
        change = step.change
        entry = entry_for(change)
        self.say(f"  {step.verdict.value:10} {entry.path}")
        match change:
            case Account():
                manifest = self._keep(manifest.having(entry))
                self.system.add_account(change)
            case Folder():
                manifest = self._keep(manifest.having(entry))
                self.tree.make_folder(change.path, change.mode)
            case Link():
                manifest = self._keep(manifest.having(entry))
                self.tree.link(change.path, change.target)
            case Secret():
                content = secrets.token_hex(32).encode() + b"\n"
                manifest = self._keep(manifest.having(replace(entry, digests=(digest(content),))))
                owner = self.tree.account(change.owner)
                # Else the new one would keep its mode and owner.
                self.tree.remove(change.path)
                self.tree.write(change.path, content, _SECRET, owner)
            case File():
                manifest = self._write(change.path, change.content, entry, manifest)
            case Line():
                content = with_line(self.tree.find(change.path).content, change)
                manifest = self._write(change.path, content, entry, manifest)
        return manifest

    def _write(
        self, path: PurePosixPath, content: bytes, entry: Made, manifest: Manifest
    ) -> Manifest:
        """Write a file; what in it is somebody else's is kept beside, and comes back."""
        known = manifest.entry(entry.kind, entry.path)
        if known is not None:
            entry = replace(known, what=entry.what, mark=entry.mark)
        theirs = self._theirs(path, entry, is_known=known is not None)
        if theirs is not None:
            kept = str(ORIGINALS / quote(str(path), safe=""))
            entry = replace(entry, original=kept, replaced=digest(theirs))
        # Until it is written, the file may be found with the content that it has.
        both = (*entry.digests, digest(content))
        manifest = self._keep(manifest.having(replace(entry, digests=both)))
        if theirs is not None and entry.original is not None:
            self.tree.make_folder(ORIGINALS, _PRIVATE_FOLDER)
            self.tree.write(PurePosixPath(entry.original), theirs, _SECRET)
        self.tree.write(path, content, _READABLE)
        return self._keep(manifest.having(replace(entry, digests=(digest(content),))))

    def _theirs(self, path: PurePosixPath, entry: Made, *, is_known: bool) -> bytes | None:
        """Return what is to be kept of a file; ``None``: nothing more than is kept already.

        A file that is Sublet's altogether was somebody else's only before it was written first. In
        one that has a line of Sublet's, the rest is somebody else's each time.
        """
        found = self.tree.find(path)
        if found.kind is not Kind.FILE or digest(found.content) in entry.digests:
            return None
        if entry.kind == "line":
            return without_line(found.content, entry.mark)
        return None if is_known and digest(found.content) != entry.replaced else found.content

    def _undo(self, undo: Undo, manifest: Manifest) -> Manifest:
        made = undo.made
        path = PurePosixPath(made.path)
        if undo.verdict is not Verdict.GONE:
            self.say(f"  {_undo_word(undo):10} {made.path}")
            match made.kind:
                case "account":
                    if self.tree.account(made.path) is not None:
                        self.system.remove_account(made.path)
                case "folder":
                    if not self.tree.remove_folder(path):
                        self.say(f"             {path} stays: it is not empty")
                case "line":
                    self._take_line_out(path, made)
                case _:
                    self._stop(made)
                    self._restore(path, made)
        if made.original is not None:
            self.tree.remove(PurePosixPath(made.original))
        return self._keep(manifest.lacking(made))

    def _take_line_out(self, path: PurePosixPath, made: Made) -> None:
        content = self.tree.find(path).content
        if digest(content) in made.digests:
            self._restore(path, made)
        else:
            # Changed since: only the line goes.
            self.tree.write(path, without_line(content, made.mark), _READABLE)

    def _restore(self, path: PurePosixPath, made: Made) -> None:
        if made.original is None:
            self.tree.remove(path)
            return
        original = self.tree.find(PurePosixPath(made.original))
        if original.kind is Kind.FILE:
            self.tree.write(path, original.content, _READABLE)
        else:
            self.say(f"             {path} stays: {made.original}, as it was before, is gone")

    def _end(self) -> None:
        self.tree.remove_folder(ORIGINALS)
        self.tree.remove(MANIFEST)
        self.tree.remove_folder(STATE)


def _undo_word(undo: Undo) -> str:
    return "remove" if undo.verdict is Verdict.ASK else undo.verdict.value


def _replace_question(step: Step) -> str:
    where = entry_for(step.change).path
    return f"{where} was changed after it was installed. Replace it by the new one?"
