"""Sublet in the notebook server: kernel gate, server extension, runner of jobs, command line.

Kernels import this package too, so it imports nothing by itself. ``ShareWidget`` is found here,
and ``%load_ext sublet_lab`` brings the magic ``%sublet``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sublet_lab.share.widget import ShareWidget

__all__ = ["ShareWidget"]


def __getattr__(name: str) -> Any:
    if name != "ShareWidget":
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    try:
        from sublet_lab.share.widget import ShareWidget  # noqa: PLC0415 (not all have ipywidgets)
    except ModuleNotFoundError as error:
        if error.name != "ipywidgets":
            raise
        message = "ShareWidget needs ipywidgets: install it, or run %sublet, which prints text"
        raise ImportError(message) from error
    return ShareWidget


def load_ipython_extension(ipython: Any) -> None:
    """Bring ``%sublet``, by ``%load_ext sublet_lab``."""
    from sublet_lab.share.magic import register_magic  # noqa: PLC0415 (kernels start with this)

    register_magic(ipython)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from sublet_lab.server.application import SubletLab  # noqa: PLC0415 (kernels need none of it)

    return [{"module": "sublet_lab", "app": SubletLab}]
