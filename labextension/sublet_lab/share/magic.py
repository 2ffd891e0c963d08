"""``%sublet``: one's share as plain text, where widgets do not show."""

from typing import Any, Final

MAGIC: Final = "sublet"


def register_magic(ipython: Any) -> None:
    """Make ``%sublet`` known."""
    ipython.register_magic_function(print_share, "line", MAGIC)


def print_share(line: str = "") -> None:
    """Print what your GPU slice holds, who uses it meanwhile, and what you may have.

    The same in a terminal: ``sublet share``.
    """
    if line.strip():
        print("%sublet takes no argument. To act on your slice: !sublet --help")  # noqa: T201
        return
    print("\n".join(share_lines()))  # noqa: T201 (that is what it is for)


def share_lines() -> list[str]:
    """Return the lines that ``%sublet`` prints."""
    # Kernels start with this module: what it needs is read when somebody asks.
    from sublet_lab.share import words  # noqa: PLC0415
    from sublet_lab.share.sources import ShareSources, UnknownShareError  # noqa: PLC0415

    sources = ShareSources.of_environment()
    lines, slice_id = [], None
    try:
        local = sources.local()
    except UnknownShareError as error:
        lines.append(words.plain(str(error)))
    else:
        slice_id = local.slice_id
        lines.append(words.headline(local))
        lines += [f"  {line}" for line in words.local_lines(local) + words.process_lines(local)]
    if sources.service_url is None:
        return lines
    try:
        share = sources.service()
    except UnknownShareError as error:
        return [*lines, words.plain(str(error))]
    lines += [f"  {line}" for line in words.service_lines(share, slice_id)]
    if share.week is not None:
        lines.append(f"  {words.week_line(share.week)}")
    return lines
