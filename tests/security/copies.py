"""Copies of the tree to change, each with a virtual environment in which it is what is imported.

The environment of a copy has the packages of this one, and the copy's own folders in place of this
tree's: also for processes that get no environment variables, and for the commands in ``bin``.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.security.mutant import ROOT

_PACKAGES_IN: Final = ("quota", "spawner", "hub_ext", "labextension")
_BUILT: Final = (
    "labextension/dist",
    "node_modules",
    "hub_ext/sublet_hub/web/console/dist",
    ".venv-z2jh",
)
"""What is built in the tree, and not kept in git: shared with the copies."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the tree."""

    tree: Path
    scratch: Path

    @property
    def python(self) -> Path:
        """The interpreter that imports from the copy."""
        return self.scratch / "venv/bin/python"


def make_copy(scratch: Path) -> Copy:
    """Copy what git has or would have, with links to what was built."""
    copy = Copy(scratch / "tree", scratch)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, done.stdout.decode().split("\0")):
        source, target = ROOT / name, copy.tree / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    for name in _BUILT:
        if (ROOT / name).exists():
            (copy.tree / name).symlink_to(ROOT / name)
    _make_environment(Path(sys.prefix), scratch / "venv", copy.tree)
    _compile(copy)
    return copy


def _compile(copy: Copy) -> None:
    """Compile what may be changed, known by what is in it: by its time a change could be missed."""
    command = [str(copy.python), "-m", "compileall", "-q", "--invalidation-mode=checked-hash"]
    there = [name for name in _PACKAGES_IN if (copy.tree / name).exists()]
    subprocess.run([*command, *there], cwd=copy.tree, check=True)


def _make_environment(ours: Path, made: Path, tree: Path) -> None:
    (made / "bin").mkdir(parents=True)
    for each in ours.iterdir():
        if each.name not in {"bin", "lib", "lib64"}:
            (made / each.name).symlink_to(each)
    (made / "pyvenv.cfg").unlink()
    shutil.copy(ours / "pyvenv.cfg", made)
    for each in (ours / "bin").iterdir():
        _take_command(each, made / "bin" / each.name, str(made / "bin/python"))
    packages = _site_packages(ours)
    own = made / packages.relative_to(ours)
    own.mkdir(parents=True)
    (made / "lib64").symlink_to("lib")
    # The .pth files of a folder that is named here are not read: none leads back to this tree.
    paths = [*(tree / name for name in _PACKAGES_IN), packages]
    (own / "copy.pth").write_text("".join(f"{path}\n" for path in paths))


def _site_packages(prefix: Path) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return prefix / "lib" / version / "site-packages"


def _take_command(command: Path, target: Path, python: str) -> None:
    """Take a command over; a script of this environment's Python is one of the copy's."""
    if not command.is_file() or command.is_symlink():
        # The interpreter itself, which knows its environment by where it was called.
        target.symlink_to(os.path.realpath(command))
        return
    begin, _, rest = command.read_bytes().partition(b"\n")
    if begin.startswith(b"#!") and begin[2:].startswith(os.fsencode(Path(sys.prefix) / "bin")):
        target.write_bytes(b"#!" + os.fsencode(python) + b"\n" + rest)
        target.chmod(0o755)
    else:
        target.symlink_to(command)
