"""Builds the libraries with the system's C compiler, once for each state of their source."""

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_SOURCES = Path(__file__).parent / "library"
LIBRARIES = {
    "libcuda.so.1": ("cuda.c", "cuda_memory.c", "cuda_checkpoint.c"),
    "libnvidia-ml.so.1": ("nvml.c",),
}
_OPTIONS = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared", "-pthread")


def compiler() -> str | None:
    """Return the system's C compiler."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


@functools.cache
def library_folder() -> Path:
    """Return the folder with both libraries; skips the test where there is no compiler.

    It stays, where every account may read it, for other test processes and later runs.
    """
    found = compiler()
    if found is None:
        pytest.skip("no C compiler (cc, gcc or clang) to build the stand-in for NVIDIA's driver")
    name = f"sublet-nvidia-stand-in-{os.getuid()}-{_state_of_the_source(found)}"
    folder = Path(tempfile.gettempdir()) / name
    if not folder.is_dir():
        made = Path(tempfile.mkdtemp(prefix="sublet-nvidia-stand-in-"))
        made.chmod(0o755)
        _build(found, made)
        try:
            made.rename(folder)
        except OSError:
            # Another test process was quicker.
            shutil.rmtree(made)
    assert folder.stat().st_uid == os.getuid(), f"{folder} is somebody else's: remove it"
    return folder


def _build(compiler: str, folder: Path) -> None:
    for library, sources in LIBRARIES.items():
        subprocess.run(
            [
                *(compiler, *_OPTIONS, "-fvisibility=hidden", f"-Wl,-soname,{library}"),
                *("-o", str(folder / library)),
                *(str(_SOURCES / source) for source in (*sources, "forwarding.c")),
            ],
            check=True,
        )


def _state_of_the_source(compiler: str) -> str:
    digest = hashlib.sha256(repr((compiler, _OPTIONS, LIBRARIES)).encode())
    for file in sorted(_SOURCES.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
