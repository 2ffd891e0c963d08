"""A cell of the test's own process that asks at its agent's gate as a kernel's does."""

import asyncio
import contextlib
from collections.abc import Iterator

from sublet_lab.kernel.cell_requests import CellRequest
from sublet_lab.kernel.kernel_link import KernelLink
from sublet_quota.wire.tenant_socket import GateOpen


@contextlib.contextmanager
def gated_cell(link: KernelLink, cell: str) -> Iterator[None]:
    """Wait until the agent lets the cell run, however often it dies; inside, the cell runs."""
    with asyncio.Runner() as runner, contextlib.ExitStack() as running:

        async def asks() -> CellRequest:
            return running.enter_context(link.running(cell))

        request = runner.run(asks())
        while not isinstance(runner.run(request.answer()), GateOpen):
            pass
        yield
