"""Sublet in the notebook server: kernel gate, server extension, runner of jobs, command line.

Kernels import this package too, so it imports nothing by itself.
"""

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from sublet_lab.server.application import SubletLab  # noqa: PLC0415 (kernels need none of it)

    return [{"module": "sublet_lab", "app": SubletLab}]
