"""The machine's files, or those of an image's folder: the only code here that touches them.

A file is written whole, beside and then moved into place, and forced to disk: a crash leaves the
old one or the new one. What is replaced keeps its owner and mode.
"""

import os
import secrets
import shutil
import stat
from pathlib import Path, PurePosixPath
from typing import Final

from sublet_hub.installation.changes import Found, Kind

_FIELDS_OF_ACCOUNT: Final = 7
_MOST_STEPS: Final = 200
"""How many folders and links a way may have: links may go round in a circle."""


class Tree:
    """The files below a root folder; all paths are as they are seen inside."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, path: PurePosixPath) -> Path:
        """Return where a path inside lies outside."""
        return self.root / path.relative_to("/")

    def find(self, path: PurePosixPath) -> Found:
        """Return what is at a path; a link is not followed."""
        at = self.path(path)
        try:
            mode = at.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return Found()
        if stat.S_ISLNK(mode):
            return Found(Kind.LINK, target=str(at.readlink()))
        if stat.S_ISDIR(mode):
            return Found(Kind.FOLDER, is_empty=not any(at.iterdir()))
        if stat.S_ISREG(mode):
            return Found(Kind.FILE, at.read_bytes(), mode=stat.S_IMODE(mode))
        return Found(Kind.OTHER)

    def written_at(self, path: PurePosixPath) -> float | None:
        """Return when a file was written last, in seconds since 1970; ``None``: there is none."""
        try:
            return self.path(path).stat().st_mtime
        except FileNotFoundError:
            return None

    def first_closed(self, path: PurePosixPath) -> PurePosixPath | None:
        """Return the first folder on the way to a program, or itself, that is closed to others.

        Links are followed, inside the root; the way ends where there is nothing.
        """
        at, left = PurePosixPath("/"), list(path.parts[1:])
        for _ in range(_MOST_STEPS):
            try:
                mode = self.path(at).lstat().st_mode
                target = PurePosixPath(self.path(at).readlink()) if stat.S_ISLNK(mode) else None
            except (FileNotFoundError, NotADirectoryError):
                return None
            if target is not None:
                left = [*(part for part in target.parts if part != "/"), *left]
                at = PurePosixPath("/") if target.is_absolute() else at.parent
                continue
            # The root's own mode is an image's folder's, outside.
            if not mode & stat.S_IXOTH and at != PurePosixPath("/"):
                return at
            if not left:
                return None
            part = left.pop(0)
            at = at.parent if part == ".." else at / part
        return None

    def make_folder(self, path: PurePosixPath, mode: int) -> None:
        """Make a folder; its parents are there."""
        at = self.path(path)
        at.mkdir(exist_ok=True)
        at.chmod(mode)

    def write(
        self,
        path: PurePosixPath,
        content: bytes,
        mode: int,
        owner: tuple[int, int] | None = None,
    ) -> None:
        """Write a file; ``mode`` and ``owner`` (uid and gid) are for one that was not there."""
        at = self.path(path)
        try:
            before = at.stat()
        except FileNotFoundError:
            pass
        else:
            owner, mode = (before.st_uid, before.st_gid), stat.S_IMODE(before.st_mode)
        beside = at.with_name(f".{at.name}.{secrets.token_hex(4)}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                if owner is not None:
                    os.fchown(file.fileno(), *owner)
                os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(at)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def link(self, path: PurePosixPath, target: str) -> None:
        """Make a symbolic link."""
        self.path(path).symlink_to(target)

    def remove(self, path: PurePosixPath) -> None:
        """Remove a file or link, if there is one."""
        self.path(path).unlink(missing_ok=True)

    def remove_folder(self, path: PurePosixPath) -> bool:
        """Remove an empty folder; return whether it is gone."""
        try:
            self.path(path).rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def remove_with_content(self, path: PurePosixPath) -> None:
        """Remove a folder and all that is in it."""
        shutil.rmtree(self.path(path), ignore_errors=False)

    def account_fields(self, name: str) -> list[str] | None:
        """Return the seven fields of an account in /etc/passwd; ``None``: it is not there."""
        found = self.find(PurePosixPath("/etc/passwd"))
        for line in found.content.decode(errors="replace").splitlines():
            fields = line.split(":")
            if fields[0] == name and len(fields) == _FIELDS_OF_ACCOUNT:
                return fields
        return None

    def account(self, name: str) -> tuple[int, int] | None:
        """Return an account's uid and gid, or ``None`` where there is none of this name."""
        fields = self.account_fields(name)
        return None if fields is None else (int(fields[2]), int(fields[3]))

    def has_account(self, name: str) -> bool:
        """Whether there is an account of this name."""
        return self.account(name) is not None
