"""Builds the stand-in's libraries with the system's compiler, once for each test process."""

import atexit
import functools
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
_OPTIONS = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared")


def compiler() -> str | None:
    """Return the system's C compiler."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


@functools.cache
def library_folder() -> Path:
    """Return the folder with both libraries; skips the test where there is no compiler."""
    found = compiler()
    if found is None:
        pytest.skip("no C compiler (cc, gcc or clang) to build the stand-in for NVIDIA's driver")
    folder = Path(tempfile.mkdtemp(prefix="sublet-nvidia-stand-in-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    for library, sources in LIBRARIES.items():
        subprocess.run(
            [
                *(found, *_OPTIONS, "-fvisibility=hidden", "-pthread", f"-Wl,-soname,{library}"),
                *("-o", str(folder / library)),
                *(str(_SOURCES / source) for source in (*sources, "forwarding.c")),
            ],
            check=True,
        )
    return folder
