"""A minimal Debian or Ubuntu with Python, made by debootstrap from the mirror that apt uses."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.support.kube.cache import cache_folder, made_once
from tests.support.kube.images import Layer, layer_of_tree
from tests.support.kube.processes import run
from tests.support.kube.programs import find, unpacked_packages

_PACKAGES: Final = ("python3", "python3-venv", "ca-certificates", "procps", "iproute2")
_LAYER: Final = "layer.tar"
USER: Final = 1000
"""The account of notebook servers, as in JupyterHub's own images."""
_ACCOUNT: Final = f"notebook:x:{USER}:{USER}:Notebooks:/home/notebook:/bin/bash"
_UNNEEDED: Final = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale")


def base_layer() -> Layer:
    """Return the system as a layer; made once for each release, in about a minute."""
    named = f"{release()} {mirror()} {_PACKAGES} {_ACCOUNT}"
    key = hashlib.sha256(named.encode()).hexdigest()[:12]
    return Layer.of(made_once(cache_folder() / f"image-base-{key}", _make) / _LAYER)


@contextmanager
def unpacked(base: Layer) -> Iterator[Path]:
    """Give the system as a folder to work in, for a while."""
    with TemporaryDirectory(prefix="sublet-image-", dir=cache_folder()) as folder:
        run("tar", "--extract", "--numeric-owner", f"--file={base.path}", f"--directory={folder}")
        yield Path(folder)


def release() -> str:
    """Return the code name of the system that the tests run on: the image has the same."""
    found = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    assert found, "this system does not say its code name"
    return found[1]


def mirror() -> str:
    """Return the first mirror from which apt gets this release."""
    indexes = run("apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)")
    for line in indexes.splitlines():
        codename, _, address = line.partition(" ")
        if codename == release():
            return address
    message = f"apt knows no mirror of {release()}: {indexes}"
    raise RuntimeError(message)


def _make(folder: Path) -> None:
    tree = folder / "tree"
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
    scripts = unpacked_packages() / "usr/share/debootstrap"
    if scripts.exists():
        environment["DEBOOTSTRAP_DIR"] = str(scripts)
    run(
        find("debootstrap"),
        "--variant=minbase",
        f"--include={','.join(_PACKAGES)}",
        release(),
        tree,
        mirror(),
        env=environment,
    )
    for unneeded in _UNNEEDED:
        shutil.rmtree(tree / unneeded, ignore_errors=True)
    # debootstrap mounts these, and does not always unmount them.
    for mounted in (tree / "proc", tree / "sys"):
        if mounted.is_mount():
            run("umount", "-l", mounted)
    shutil.rmtree(tree / "dev")
    (tree / "dev").mkdir()
    for file, line in (("passwd", _ACCOUNT), ("group", f"notebook:x:{USER}:")):
        with (tree / "etc" / file).open("a") as accounts:
            accounts.write(line + "\n")
    (tree / "home/notebook").mkdir()
    # Whoever is named in a pod may write at home: a test's pods share no home.
    (tree / "home/notebook").chmod(0o777)
    layer_of_tree(tree, folder / _LAYER)
    shutil.rmtree(tree)
