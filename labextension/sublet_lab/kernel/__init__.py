"""The IPython extension that puts Sublet's gate before the cells of a kernel; and ``%sublet``.

It is loaded by ``etc/ipython/startup/00-sublet.py``, which the package installs below
``sys.prefix``, so no user does anything for it. On a server without a slice it brings ``%sublet``
alone, which says why; elsewhere, and in an IPython that is no kernel, it does nothing at all.
"""

import os
from pathlib import Path
from typing import Any

from sublet_lab.kernel.cells import GatedCells
from sublet_lab.kernel.gate import SubletGate
from sublet_lab.kernel.kernel_link import KernelLink
from sublet_lab.kernel.size import take_current_size
from sublet_lab.share.magic import register_magic

_LOADED = "_sublet_gated_cells"
_SAYS_WHY = {"SUBLET_SERVICE_URL", "SUBLET_NO_GPU_REASON"}


def load_ipython_extension(ipython: Any) -> None:
    """Put the gate before the kernel's cells, once."""
    kernel = getattr(ipython, "kernel", None)
    socket_path = os.environ.get("SUBLET_AGENT_SOCKET")
    in_slice = bool(socket_path and os.environ.get("SUBLET_SLICE_ID"))
    if kernel is None or not (in_slice or _SAYS_WHY & os.environ.keys()):
        return
    register_magic(ipython)
    if not socket_path or not in_slice or hasattr(kernel, _LOADED):
        return
    link = KernelLink(socket_path, _kernel_name(kernel))
    cells = GatedCells(kernel, link, SubletGate(parent=ipython))
    cells.install()
    setattr(kernel, _LOADED, cells)
    take_current_size()


def unload_ipython_extension(ipython: Any) -> None:
    """Take the gate away again."""
    kernel = getattr(ipython, "kernel", None)
    cells = getattr(kernel, _LOADED, None)
    if cells is not None:
        cells.remove()
        delattr(kernel, _LOADED)


def _kernel_name(kernel: Any) -> str:
    """Return the id by which the notebook server knows the kernel: it names the connection file."""
    connection_file = getattr(kernel.parent, "connection_file", "") or ""
    return Path(connection_file).stem.removeprefix("kernel-")[:255] or str(kernel.ident)
