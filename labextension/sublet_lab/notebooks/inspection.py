"""The inspection of a notebook, for a dialog that makes a job of it: nothing is run.

The path is taken as a front end names it, below the server's root folder; links are followed as
Jupyter itself follows them, for it is the server's own user who reads. Of the folder's files only
names and sizes are read, and no link there is followed.
"""

import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from sublet_quota.jobs.take_along import MOST_BYTES, MOST_FILES, is_left_out
from sublet_quota.names.job_names import job_name
from sublet_quota.wire.notebook_server import (
    FolderEntry,
    FolderFacts,
    LiteralReading,
    NotebookInspection,
    NotebookParameter,
)

from sublet_lab.notebooks.literals import read_literal
from sublet_lab.runner.taking_along import Budget, TooLargeError, count_files

if TYPE_CHECKING:
    from sublet_lab.runner.notebook import Parameter

_MOST_PATH: Final = 1000
_MOST_TEXT: Final = 4000
_MOST_ENTRIES: Final = 200
_MOST_VARIABLES: Final = 100
_LOOKS_FOR_S: Final = 15.0
"""The bound in time, for slow disks: what is not counted then is told as too large."""
_MOST_LOOKED_AT: Final = 20_000
"""The number of files whose sizes are added up; a folder that has more is too large in any case."""
_READS_VARIABLE: Final = re.compile(
    r"""(?:environ\s*(?:\.\s*(?:get|pop|setdefault)\s*\(|\[)|getenv\s*\()\s*
    (?P<quote>['"])(?P<name>[A-Za-z_][A-Za-z0-9_]{0,127})(?P=quote)""",
    re.VERBOSE,
)
_PLAIN: Final = frozenset({"bool", "int", "float", "str", "list", "dict"})
_OURS: Final = ("JUPYTERHUB_", "JPY_", "SUBLET_")


class InspectionError(Exception):
    """The notebook is not there, or cannot be read; the text says what to do."""


def locate(root: Path, asked: str) -> Path:
    """Return the file that a front end means. ``InspectionError`` for a path that is none."""
    shown = asked if len(asked) <= 100 else f"{asked[:97]}..."  # noqa: PLR2004
    path = PurePosixPath(asked)
    if not asked or len(asked) > _MOST_PATH or "\0" in asked:
        message = f"That is no path: give one of 1 to {_MOST_PATH} characters."
    elif path.is_absolute() or ".." in path.parts:
        message = (
            f"{shown!r} is no path below your notebook folder: write it as in the file browser, "
            "without a leading / and without '..'."
        )
    elif path.suffix != ".ipynb":
        message = f"{shown!r} is no notebook: only files that end in .ipynb can become jobs."
    elif not (root / path).exists():
        message = f"{shown!r} is not there. If the notebook is new, save it once, and try again."
    elif not (root / path).is_file():
        message = f"{shown!r} is no file."
    else:
        return root / path
    raise InspectionError(message)


def inspect(root: Path, asked: str) -> NotebookInspection:
    """Return what is in the notebook at this path below ``root``. ``InspectionError``. Slow."""
    file = locate(root, asked)
    # papermill takes a second to import: not before somebody asks.
    from sublet_lab.runner.notebook import (  # noqa: PLC0415
        NotebookError,
        describe_notebook,
        read_notebook,
        runs_in_a_job,
    )

    try:
        described = describe_notebook(file.absolute())
        cells = read_notebook(file.absolute()).cells
    except NotebookError as error:
        # Its owner knows the file by its place below the root, not by the server's own path.
        why = str(error).replace(str(file.absolute()), repr(file.name))
        message = (
            f"This file cannot be read as a notebook: {why}. Open it with the text editor to mend "
            "it, or copy its cells into a new notebook and promote that."
        )
        raise InspectionError(message) from error
    code = [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]
    problems = []
    if not described.kernel_installed:
        problems.append(
            f"Its kernel {described.kernel!r} is not installed: choose another kernel in the "
            "notebook's menu, and save it."
        )
    if described.cells == 0:
        problems.append("It has no cell with code that would run: a job of it would do nothing.")
    return NotebookInspection(
        path=str(PurePosixPath(asked)),
        name=job_name(file.stem),
        cells=described.cells,
        parameters=tuple(
            _parameter(p, read_literal(p.default)) for p in described.parameters if p.name
        ),
        left_out=sum(not runs_in_a_job(cell) for cell in code),
        environment=tuple(_variables("\n".join(str(cell.source) for cell in code))),
        folder=folder_facts(file),
        problems=tuple(problem[:_MOST_TEXT] for problem in problems),
    )


def _parameter(described: "Parameter", reading: LiteralReading) -> NotebookParameter:
    """Return a parameter, its type by what is written where none is declared."""
    written = reading.type if reading.type in _PLAIN else None
    declared = described.type if described.type != "None" else written
    return NotebookParameter(
        name=described.name[:255],
        type=(declared or "None")[:_MOST_TEXT],
        default=described.default[:_MOST_TEXT],
        reading=reading,
        help=described.help[:_MOST_TEXT],
    )


def _variables(source: str) -> Iterator[str]:
    """Yield the names of environment variables that the code reads, each once."""
    found = dict.fromkeys(match["name"] for match in _READS_VARIABLE.finditer(source))
    names = (name for name in found if not name.upper().startswith(_OURS))
    for _, name in zip(range(_MOST_VARIABLES), names, strict=False):
        yield name


def folder_facts(notebook: Path) -> FolderFacts:
    """Return what lies beside the notebook."""
    entries: list[FolderEntry] = []
    files = size = left = 0
    began = time.monotonic()
    fits = True
    folder = os.open(notebook.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in _names(folder, notebook.name):
            too_long = time.monotonic() - began > _LOOKS_FOR_S
            if max(files, len(entries)) >= _MOST_LOOKED_AT or too_long:
                left += 1
                continue
            entry, entry_fits = _entry(folder, name)
            if entry is not None:
                entries.append(entry)
                files, size = files + entry.files, size + entry.bytes
                fits = fits and entry_fits
    finally:
        os.close(folder)
    entries.sort(key=lambda entry: (entry.kind != "folder", entry.path.lower()))
    return FolderFacts(
        files=files,
        bytes=size,
        too_large=left > 0 or not fits or files > MOST_FILES or size > MOST_BYTES,
        limit_bytes=MOST_BYTES,
        limit_files=MOST_FILES,
        entries=tuple(entries[:_MOST_ENTRIES]),
        more=max(0, len(entries) - _MOST_ENTRIES) + left,
    )


def _names(folder: int, notebook: str) -> Iterator[str]:
    for name in sorted(os.listdir(folder)):
        if name != notebook and not is_left_out(name) and _is_text(name):
            yield name


def _is_text(name: str) -> bool:
    """Whether a name can be said in JSON, and named again."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _entry(folder: int, name: str) -> tuple[FolderEntry | None, bool]:
    """Return an entry of a folder (``None``: a link or pipe), and whether it may be taken."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        return None, True
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return None, True
    budget, fits = Budget(), True
    try:
        count_files(folder, name, budget)
    except TooLargeError:
        fits = False
    except OSError:
        return None, True
    entry = FolderEntry(
        path=name,
        kind="folder" if stat.S_ISDIR(mode) else "file",
        files=budget.files,
        bytes=budget.bytes,
    )
    return entry, fits
