"""The image of the tests' pods: Debian, Python, JupyterHub, JupyterLab, and this Sublet.

One image serves notebook servers, jobs, the service and the agent: each pod says what it runs.
What Sublet depends on is a layer of its own, and so is Sublet, whose wheel is built anew for every
run: each layer is kept by what it consists of.
"""

import hashlib
import os
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from packaging.markers import default_environment
from packaging.requirements import Requirement

from tests.support.kube.base_system import base_layer, unpacked
from tests.support.kube.cache import cache_folder, keep_newest, made_once
from tests.support.kube.images import Layer, Start, layer_of_tree, write_image
from tests.support.kube.node import must_be_possible
from tests.support.kube.processes import run
from tests.support.kube.programs import MissingError

NOTEBOOK: Final = "sublet.test/notebook:1"
ENVIRONMENT: Final = "opt/sublet"
_ROOT: Final = Path(__file__).parents[3]
_LAYER: Final = "layer.tar"
# The hub runs on the machine: no pod needs what starts pods, or what a hub's pages are made of.
# Every node that takes the image unpacks it: a third of its files are these.
_OF_HUBS: Final = frozenset({"jupyterhub-kubespawner"})
_UNNEEDED: Final = (
    "share/jupyterhub/static/components",
    "lib/python*/site-packages/jedi/third_party",
)
_KEPT: Final = 2
_KEPT_OF_SUBLET: Final = 8


def notebook_image(folder: Path) -> Path:
    """Write the image's archive; some minutes the first time, then seconds."""
    base, dependencies = lasting_layers()
    sublet = _sublet_layer(base, folder)
    start = Start(
        command=["jupyterhub-singleuser"],
        environment={
            "PATH": f"/{ENVIRONMENT}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": "/home/notebook",
        },
        folder="/home/notebook",
    )
    archive = folder / "notebook-image.tar"
    return write_image(archive, NOTEBOOK, [base, dependencies, sublet], start)


def lasting_layers() -> tuple[Layer, Layer]:
    """Return the layers that stay as they are when Sublet changes: made once, in minutes."""
    base = base_layer()
    return base, _dependencies_layer(base)


def _dependencies_layer(base: Layer) -> Layer:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["kubernetes"], "jupyterlab"]
    wanted = [each for each in wanted if Requirement(each).name not in _OF_HUBS]
    constraints = (_ROOT / ".ci" / "constraints.txt").read_text()
    named = "\n".join([base.digest, *sorted(wanted), constraints, *_UNNEEDED])
    key = hashlib.sha256(named.encode()).hexdigest()[:12]

    def make(folder: Path) -> None:
        with unpacked(base) as tree:
            wheels = tree / "wheels"
            _download(tree, wanted, constraints, wheels)
            python = _make_environment(tree)
            _install(tree, python, ["--no-index", "--find-links=/wheels", *wanted])
            environment = tree / ENVIRONMENT
            for unneeded in _UNNEEDED:
                for each in environment.glob(unneeded):
                    shutil.rmtree(each)
            layer_of_tree(environment, folder / _LAYER, ENVIRONMENT)

    place = made_once(cache_folder() / f"image-dependencies-{key}", make)
    os.utime(place)
    keep_newest("image-dependencies-*", _KEPT)
    return Layer.of(place / _LAYER)


def _sublet_layer(base: Layer, folder: Path) -> Layer:
    """Build Sublet's wheel as pip does, and install it where what it depends on is in a layer."""
    wheels = folder / "wheels"
    # The extension of JupyterLab was built before: its hook would do it again. What builds a wheel
    # is installed here: without being told so pip would fetch it for every one.
    words = ("wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={wheels}", _ROOT)
    _pip(*words, HATCH_BUILD_NO_HOOKS="true")
    wheel = next(wheels.glob("sublet-*.whl"))
    named = base.digest.encode() + wheel.read_bytes()
    key = hashlib.sha256(named).hexdigest()[:12]

    def make(folder: Path) -> None:
        with unpacked(base) as tree:
            python = _make_environment(tree)
            before = {each for each in (tree / ENVIRONMENT).rglob("*") if not each.is_dir()}
            shutil.copytree(wheels, tree / "wheels")
            _install(tree, python, ["--no-index", "--no-deps", f"/wheels/{wheel.name}"])
            for each in before:
                each.unlink()
            layer_of_tree(tree / ENVIRONMENT, folder / _LAYER, ENVIRONMENT)

    place = made_once(cache_folder() / f"image-sublet-{key}", make)
    os.utime(place)
    keep_newest("image-sublet-*", _KEPT_OF_SUBLET)
    return Layer.of(place / _LAYER)


def _download(tree: Path, wanted: Sequence[str], constraints: str, wheels: Path) -> None:
    """Get wheels for the image's Python, which may be older than the one that runs the tests."""
    said = run("chroot", tree, "python3", "-c", "import platform; print(platform.python_version())")
    version = said.strip()
    environment = {
        **default_environment(),
        "python_version": ".".join(version.split(".")[:2]),
        "python_full_version": version,
    }
    wheels.mkdir()
    chosen = wheels / "constraints.txt"
    # pip judges conditions by its own Python, also where it downloads for another.
    lines = [Requirement(each) for each in constraints.splitlines() if each.strip()]
    chosen.write_text(
        "\n".join(
            f"{each.name}{each.specifier}"
            for each in lines
            if each.marker is None or each.marker.evaluate(environment)
        )
    )
    _pip(
        "download",
        "--only-binary=:all:",
        f"--python-version={version}",
        f"--constraint={chosen}",
        f"--dest={wheels}",
        *wanted,
    )


def _make_environment(tree: Path) -> str:
    run("chroot", tree, "python3", "-m", "venv", "--without-pip", f"/{ENVIRONMENT}")
    _copy_pip(tree)
    return f"/{ENVIRONMENT}/bin/python"


def _copy_pip(tree: Path) -> None:
    """Bring the pip that runs here: it serves any Python that can read it."""
    import pip  # noqa: PLC0415

    shutil.copytree(Path(pip.__file__).parent, tree / "pip-for-install" / "pip")


def _install(tree: Path, python: str, what: Sequence[str]) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", *what]
    run("chroot", tree, *command, env={**_clean(), "PYTHONPATH": "/pip-for-install"})


def _pip(*words: str | Path, **more: str) -> None:
    environment = {**os.environ, "PIP_FIND_LINKS": "", **more}
    run(sys.executable, "-m", "pip", "--quiet", *words, env=environment)


def _clean() -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


def main() -> None:
    """Make what takes long, and say what is missing."""
    try:
        must_be_possible()
        base, dependencies = lasting_layers()
    except MissingError as missing:
        print(f"Tests that need pods will be skipped: {missing}")
        return
    print(f"The image of the tests' pods in {base.path.parent} and {dependencies.path.parent}")


if __name__ == "__main__":
    main()
