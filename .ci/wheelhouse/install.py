#!/usr/bin/env python3
"""Install Sublet from the wheelhouse that this file lies in, without a network.

Needs Python with its ``venv`` module, and bash: no pip, no make, no other package. A wheelhouse is
a folder of numbered parts (each a tar, small enough to be carried alone) and ``wheelhouse.json``,
which says what must be in them. Nothing is used before its SHA-256 was seen to be right.
"""

from __future__ import annotations  # an older Python is told what it needs, not of syntax

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

FORMAT = 1
LEAST_PYTHON = (3, 11)
"""What Sublet itself needs, as ``requires-python`` says."""
LIST = "wheelhouse.json"
PIECE = re.compile(r"(?P<name>.+)\.piece-(?P<number>[0-9]{3})$")
BUNDLES = {
    "/share/jupyter/labextensions/sublet-lab/": "labextension",
    "/sublet_hub/web/console/dist/": "console",
}
"""Where JupyterLab's extension and the console lie in Sublet's own wheel, and where they go."""
_BLOCK = 1 << 20


class WheelhouseError(Exception):
    """The wheelhouse cannot be used here; the message says what to do."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_list(house: Path) -> dict[str, Any]:
    """Return what ``wheelhouse.json`` says."""
    try:
        told = json.loads((house / LIST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"{house} is no wheelhouse: {LIST} is missing there"
        raise WheelhouseError(message) from None
    except ValueError as error:
        message = f"{house / LIST} is damaged: carry it over again ({error})"
        raise WheelhouseError(message) from None
    if told.get("format") != FORMAT:
        message = f"{house} has format {told.get('format')}, not {FORMAT}"
        raise WheelhouseError(message)
    return told


def refuse_other_python(
    told: dict[str, Any],
    name: str = platform.python_implementation(),
    version: tuple[int, ...] = sys.version_info[:3],
) -> None:
    """Raise where this Python cannot use the wheels."""
    here = "{}.{}".format(*version)
    if here == told["python"] and name == "CPython":
        return
    message = (
        f"this wheelhouse is for CPython {told['python']}, and {sys.executable} is "
        f"{name} {'.'.join(map(str, version))}. Use another Python "
        f"(make setup PYTHON=python{told['python']}, or python{told['python']} install.py)"
    )
    if name == "CPython" and version >= LEAST_PYTHON:
        message += f", or make a wheelhouse for this one: make wheelhouse PYTHON_VERSION={here}"
    else:
        least = "CPython {}.{}".format(*LEAST_PYTHON)
        message += f": this one cannot run Sublet, which needs {least} or newer"
    raise WheelhouseError(message)


def refuse_other_platform(
    told: dict[str, Any], machine: str, glibc: tuple[int, int] | None
) -> None:
    """Raise where wheels of the wheelhouse's platform do not run on this machine."""
    wanted = re.match(r"manylinux_([0-9]+)_([0-9]+)_(.+)$", told["platform"])
    least, kind = (int(wanted[1]), int(wanted[2])), wanted[3]
    again = "make wheelhouse PLATFORM=manylinux_{}_{}_{}"
    if machine != kind:
        raise WheelhouseError(
            f"this wheelhouse is for {kind}, and this machine is {machine}: "
            + again.format(*least, machine)
        )
    if glibc is None or glibc < least:
        has = "no glibc" if glibc is None else "glibc {}.{}".format(*glibc)
        message = (
            f"this wheelhouse wants glibc {least[0]}.{least[1]} or newer, and this machine has "
            f"{has}: {again.format(*(glibc or least), kind)}"
        )
        raise WheelhouseError(message)


def glibc_here() -> tuple[int, int] | None:
    """Return this machine's glibc version, or ``None`` where it has another C library."""
    name, version = platform.libc_ver()
    found = re.match(r"([0-9]+)\.([0-9]+)", version)
    return (int(found[1]), int(found[2])) if name == "glibc" and found else None


def check_parts(house: Path, told: dict[str, Any]) -> None:
    """Raise where a part is missing or damaged; all of them are named at once."""
    wrong = []
    for part in told["parts"]:
        path = house / part["name"]
        if not path.is_file():
            wrong.append(f"{part['name']} is missing")
        elif path.stat().st_size != part["bytes"]:
            wrong.append(
                f"{part['name']} has {path.stat().st_size} bytes instead of {part['bytes']}"
            )
        elif sha256_of(path) != part["sha256"]:
            wrong.append(f"{part['name']} is damaged: its SHA-256 is another")
    if wrong:
        message = f"carry these over again: {'; '.join(wrong)}"
        raise WheelhouseError(message)


def open_parts(house: Path, told: dict[str, Any], into: Path) -> None:
    """Check all parts, and lay the files in them into a folder; once per wheelhouse."""
    stamp = into / "opened"
    if stamp.is_file() and stamp.read_text() == sha256_of(house / LIST):
        return
    check_parts(house, told)
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    for part in told["parts"]:
        with tarfile.open(house / part["name"]) as tar:
            for member in tar:
                piece = PIECE.match(member.name)
                path = into / (piece["name"] if piece else member.name)
                if into.resolve() not in path.resolve().parents:
                    message = f"{part['name']} names a place outside: {member.name}"
                    raise WheelhouseError(message)
                path.parent.mkdir(parents=True, exist_ok=True)
                # Pieces of one file lie in the order of the parts.
                with path.open("ab") as file:
                    shutil.copyfileobj(tar.extractfile(member), file, _BLOCK)
    for each in told["files"]:
        if sha256_of(into / each["name"]) != each["sha256"]:
            message = f"{each['name']} is damaged: make the wheelhouse again"
            raise WheelhouseError(message)
    _lay_out_bundle(into)
    for fact in ("extras", "commit"):
        (into / fact).write_text(told[fact])
    stamp.write_text(sha256_of(house / LIST))


def _lay_out_bundle(into: Path) -> None:
    (wheel,) = (into / "wheels").glob("sublet-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        for name, (bundle, folder) in product(packed.namelist(), BUNDLES.items()):
            _, found, rest = f"/{name}".partition(bundle)
            if found and rest and not name.endswith("/"):
                path = into / folder / rest
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(packed.read(name))


def make_environment(venv: Path, wheels: Path) -> None:
    """Make a virtual environment with pip, also where Python has no ``ensurepip``.

    It sees the machine's own packages where PyTorch is among them: that is never in a wheelhouse.
    """
    python = venv / "bin" / "python"
    if not python.exists():
        own = ["--system-site-packages"] if importlib.util.find_spec("torch") else []
        command = [sys.executable, "-m", "venv", "--without-pip", *own, str(venv)]
        if subprocess.run(command, check=False).returncode:
            message = f"no virtual environment could be made by {sys.executable}"
            raise WheelhouseError(message)
    (pip,) = wheels.glob("pip-*.whl")
    options = ["--quiet", "--no-index", "--disable-pip-version-check", "--ignore-installed"]
    subprocess.run([python, pip / "pip", "install", *options, pip], check=True)


def refuse_other_source(told: dict[str, Any], source: Path) -> None:
    """Raise where the checkout wants other versions than the wheelhouse has."""
    other = [
        name
        for name, digest in told["made_of"].items()
        if not (source / name).is_file() or sha256_of(source / name) != digest
    ]
    if other:
        message = (
            f"this wheelhouse was made from another state of Sublet ({', '.join(other)} differ): "
            f"make it again from this one (make wheelhouse), or check out {told['commit'][:12]}"
        )
        raise WheelhouseError(message)


def install(house: Path, told: dict[str, Any], folder: Path) -> None:
    """Unpack Sublet's source into a folder, and set it up there as ``make setup`` does."""
    if not (folder / "Makefile").exists():
        opened = folder / ".wheelhouse-opened"
        open_parts(house, told, opened)
        with tarfile.open(opened / "source.tar.gz") as tar:
            safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            tar.extractall(folder, **safely)  # noqa: S202 - its SHA-256 was right
        (folder / ".venv").mkdir()
        opened.rename(folder / ".venv" / ".wheelhouse")
    environment = {**os.environ, "WHEELHOUSE": str(house)}
    for *step, made in (
        [".ci/create-venv", sys.executable, ".venv", ".venv/.ready"],
        [".ci/install-proxy", ".venv", ".venv/bin/configurable-http-proxy"],
        [".ci/build-labextension", ".venv", "labextension/dist/package.json"],
        [".ci/build-console", ".venv", "hub_ext/sublet_hub/web/console/dist/manifest.json"],
    ):
        if subprocess.run(step, cwd=folder, env=environment, check=False).returncode:
            message = f"{step[0]} did not succeed: its message stands above"
            raise WheelhouseError(message)
        # Younger than what it was made from, or make would make it again, by the network.
        (folder / made).touch()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, and do what it says."""
    parser = argparse.ArgumentParser(description="Install Sublet without a network.")
    parser.add_argument("folder", nargs="?", default="sublet", help="where to (default: ./sublet)")
    parser.add_argument("--check", action="store_true", help="only look whether all is here")
    parser.add_argument("--environment", metavar="VENV", help="only make this environment (make)")
    options = parser.parse_args(arguments)
    house = Path(__file__).resolve().parent
    try:
        told = read_list(house)
        refuse_other_python(told)
        refuse_other_platform(told, platform.machine(), glibc_here())
        if options.check:
            check_parts(house, told)
            print(f"{len(told['parts'])} parts with {len(told['files'])} files are whole.")
        elif options.environment:
            refuse_other_source(told, Path.cwd())
            venv = Path(options.environment)
            open_parts(house, told, venv / ".wheelhouse")
            make_environment(venv, venv / ".wheelhouse" / "wheels")
        else:
            folder = Path(options.folder)
            install(house, told, folder)
            print(
                f"Sublet is installed in {folder}. Go there, and start it: make up (without make: "
                ".venv/bin/python -m sublet_hub.one_machine)"
            )
    except WheelhouseError as error:
        sys.exit(f"Not installed: {error}.")


if __name__ == "__main__":
    main()
