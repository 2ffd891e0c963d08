"""A notebook and files beside it, counted or copied, as their owner.

Of the files no link is followed: every step is taken from an open directory (THREATS 9), and what
is swapped for a link meanwhile is refused. Only regular files and directories are copied, within
limits on both. The notebook itself may be a link, as it may be for Jupyter.
"""

import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from sublet_quota.jobs.take_along import (
    MOST_BYTES,
    MOST_DEPTH,
    MOST_FILES,
    is_left_out,
    refuse_paths,
)

_CHUNK: Final = 1024 * 1024
_LEFT_OVER_S: Final = 3600.0
"""The age from which a copy was left by somebody who was ended: nobody copies for so long."""
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class TakingError(Exception):
    """The files cannot be taken along; the text says why and what to do, for their owner."""


class TooLargeError(TakingError):
    """More files or bytes than may be taken along."""


@dataclass(slots=True)
class Budget:
    """The bounds on what may be taken, and how much was."""

    most_files: int = MOST_FILES
    most_bytes: int = MOST_BYTES
    files: int = 0
    bytes: int = 0

    def take_file(self) -> None:
        """Count one more file. ``TooLargeError``."""
        self.files += 1
        if self.files > self.most_files:
            message = (
                f"these are more than {self.most_files} files: take fewer along, and read the "
                "others from where they are"
            )
            raise TooLargeError(message)

    def take_bytes(self, count: int) -> None:
        """Count so many more bytes. ``TooLargeError``."""
        self.bytes += count
        if self.bytes > self.most_bytes:
            message = (
                f"these are more than {self.most_bytes // 2**20} MiB: take less along, and read "
                "large files from where they are"
            )
            raise TooLargeError(message)


Visit = Callable[[int, str, PurePosixPath, os.stat_result], None]
"""A function called with a file's open directory, its name there, its path, and what it is."""


def copy_files(notebook: Path, paths: Sequence[str], target: Path, budget: Budget) -> None:
    """Copy the notebook, and these paths below its folder, into ``target``, which must not exist.

    ``TakingError``, and then nothing is left of the copy.
    """
    refusal = refuse_paths(paths)
    if refusal is not None:
        raise TakingError(refusal.message)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir()
    except OSError as error:
        message = f"{target} cannot be made: {error.strerror or error}"
        raise TakingError(message) from error
    try:
        real = notebook.resolve()
        with (
            _opened(real.parent, _FOLDER) as lies_in,
            _opened(notebook.parent, _FOLDER) as source,
            _opened(target, _FOLDER) as into,
        ):
            copied: set[PurePosixPath] = set()

            def copy(folder: int, name: str, path: PurePosixPath, _facts: os.stat_result) -> None:
                if path not in copied:
                    copied.add(path)
                    _copy(folder, name, into, path, budget)

            def copy_notebook(
                folder: int, name: str, _path: PurePosixPath, _facts: os.stat_result
            ) -> None:
                own = PurePosixPath(notebook.name)
                copied.add(own)
                _copy(folder, name, into, own, budget)

            _visit_named(lies_in, PurePosixPath(real.name), copy_notebook)
            for path in paths:
                _visit_named(source, PurePosixPath(path), copy)
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        message = f"{error.filename or 'a file'} cannot be taken along: {error.strerror or error}"
        raise TakingError(message) from error
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def copy_at_most_once(notebook: Path, paths: Sequence[str], target: Path, budget: Budget) -> None:
    """Copy what ``target`` does not hold yet; several may do so at once.

    The copy grows beside ``target`` and gets its name when it is whole. ``TakingError``.
    """
    if not target.exists():
        settle(copy_beside(notebook, paths, target, budget), target)


def copy_beside(notebook: Path, paths: Sequence[str], target: Path, budget: Budget) -> Path:
    """Copy into a new folder beside ``target``, to be settled or discarded, and return it.

    ``TakingError``.
    """
    with suppress(OSError):
        for old in target.parent.glob(f".{target.name}-*"):
            if time.time() - old.stat().st_mtime > _LEFT_OVER_S:
                discard(old)
    part = target.with_name(f".{target.name}-{secrets.token_hex(8)}")
    copy_files(notebook, paths, part, budget)
    return part


def settle(part: Path, target: Path) -> None:
    """Give a copy its name, unless another has it already. ``TakingError``."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.rename(target)
    except OSError as error:
        discard(part)
        if target.is_dir():
            return
        message = f"{target} cannot be made: {error.strerror or error}"
        raise TakingError(message) from error


def discard(part: Path) -> None:
    """Delete a copy that nobody needs."""
    shutil.rmtree(part, ignore_errors=True)


def count_files(folder: int, name: str, budget: Budget) -> None:
    """Count what would be taken of ``name`` in an open directory. ``TooLargeError``."""

    def count(_folder: int, _name: str, _path: PurePosixPath, facts: os.stat_result) -> None:
        budget.take_file()
        budget.take_bytes(facts.st_size)

    facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISREG(facts.st_mode):
        count(folder, name, PurePosixPath(name), facts)
    elif stat.S_ISDIR(facts.st_mode):
        with _opened(name, _FOLDER | os.O_NOFOLLOW, folder) as inner:
            _visit_all(inner, PurePosixPath(name), count, MOST_DEPTH)


def _visit_named(source: int, path: PurePosixPath, visit: Visit) -> None:
    """Visit what an owner has named: the path itself, or all below it."""
    folder, parts = os.dup(source), path.parts
    try:
        for part in parts[:-1]:
            inner = _open(part, _FOLDER | os.O_NOFOLLOW, folder, path)
            os.close(folder)
            folder = inner
        name = parts[-1] if parts else "."
        try:
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            message = f"{path} cannot be taken along: {error.strerror or error}"
            raise TakingError(message) from error
        if stat.S_ISREG(facts.st_mode):
            visit(folder, name, path, facts)
        elif stat.S_ISDIR(facts.st_mode):
            with _opened(name, _FOLDER | os.O_NOFOLLOW, folder) as inner:
                _visit_all(inner, path, visit, MOST_DEPTH)
        else:
            what = "a link" if stat.S_ISLNK(facts.st_mode) else "neither a file nor a folder"
            message = f"{path} is {what}, and is not taken along: name what it stands for"
            raise TakingError(message)
    finally:
        os.close(folder)


def _visit_all(folder: int, path: PurePosixPath, visit: Visit, depth: int) -> None:
    """Visit all regular files below an open directory; links and hidden files stay behind."""
    if depth == 0:
        message = f"{path} is more than {MOST_DEPTH} folders deep: take less along"
        raise TooLargeError(message)
    for name in sorted(os.listdir(folder)):
        if is_left_out(name):
            continue
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(facts.st_mode):
            visit(folder, name, path / name, facts)
        elif stat.S_ISDIR(facts.st_mode):
            with _opened(name, _FOLDER | os.O_NOFOLLOW, folder) as inner:
                _visit_all(inner, path / name, visit, depth - 1)


def _copy(folder: int, name: str, into: int, path: PurePosixPath, budget: Budget) -> None:
    budget.take_file()
    with _opened(name, _READ, folder) as source:
        facts = os.fstat(source)
        if not stat.S_ISREG(facts.st_mode):
            message = f"{path} is no regular file any more"
            raise TakingError(message)
        inner = os.dup(into)
        try:
            for part in path.parts[:-1]:
                deeper = _made(inner, part)
                os.close(inner)
                inner = deeper
            mode = 0o777 if facts.st_mode & stat.S_IXUSR else 0o666
            with _opened(path.name, _NEW, inner, mode) as copy:
                # Counted as it is read: a file may grow meanwhile.
                while data := os.read(source, _CHUNK):
                    budget.take_bytes(len(data))
                    rest = memoryview(data)
                    while rest:
                        rest = rest[os.write(copy, rest) :]
        finally:
            os.close(inner)


def _made(folder: int, name: str) -> int:
    """Return a handle of a folder of the copy, which is made where it is not there yet."""
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)
    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)


def _open(name: str, flags: int, folder: int, path: PurePosixPath) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        linked = error.errno in (errno.ELOOP, errno.ENOTDIR)
        why = "a link, or no folder, is on its way" if linked else error.strerror or str(error)
        message = f"{path} cannot be taken along: {why}"
        raise TakingError(message) from error


@contextmanager
def _opened(
    name: str | Path, flags: int, folder: int | None = None, mode: int = 0o666
) -> Iterator[int]:
    descriptor = os.open(name, flags, mode, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
