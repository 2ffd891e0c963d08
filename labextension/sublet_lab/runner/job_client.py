"""The client of papermill for one notebook, made to report each cell and to stop when told."""

import asyncio
import contextlib
import signal
import sys
from types import FrameType
from typing import Any, Final

from jupyter_client.client import KernelClient
from jupyter_core.utils import ensure_async
from nbclient.exceptions import CellExecutionError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager

from sublet_lab.runner.notebook import runs_in_a_job
from sublet_lab.runner.progress import ProgressWriter

_INTERRUPT_GRACE_S: Final = 10.0
_STARTS: Final = 3
_SIGTERM: Final = frozenset({signal.SIGTERM})


class JobClient(PapermillNotebookClient):  # type: ignore[misc] # papermill has no types
    """A client that runs the cells of a job; SIGTERM interrupts the running one.

    An interrupted cell has ten seconds to save what it wants; then its kernel is killed. A job that
    is told to stop after its last cell ends by itself: its result is still to be written then.
    """

    def __init__(
        self, notebook: NotebookExecutionManager, progress: ProgressWriter, **options: Any
    ) -> None:
        super().__init__(notebook, **options)
        self.progress = progress
        self.stopped = False
        self._in_cell = False
        self._has_run = False
        self._stopping: asyncio.Task[None] | None = None

    async def run_job(self) -> None:
        """Run all cells, or up to the first that fails, or until stopped."""
        self.reset_execution_trackers()
        cells = [(i, cell) for i, cell in enumerate(self.nb.cells) if runs_in_a_job(cell)]
        self.progress.starts(len(cells))
        # Until the job's handler is there: what comes to nbclient's would be dropped.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGTERM)
        try:
            async with self.async_setup_kernel():
                for index, cell in cells:
                    if self.stopped or not await self._run_cell(index, cell):
                        break
                self._has_run = True
                if not self.stopped:
                    self.set_widgets_metadata()
        finally:
            if self._stopping is not None:
                self._stopping.cancel()

    async def async_start_new_kernel(self, **options: Any) -> None:
        """Start the kernel, once the job's handler has replaced nbclient's.

        It is none of the loop's, which leaves a signal, once it ends, to what ends the process.
        """
        loop = asyncio.get_running_loop()
        loop.remove_signal_handler(signal.SIGTERM)

        def stop(_signal: int, _frame: FrameType | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self.stop)

        signal.signal(signal.SIGTERM, stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGTERM)
        await super().async_start_new_kernel(**options)

    async def async_start_new_kernel_client(self) -> KernelClient:
        """Wait until the kernel answers; one that died as it started is started again.

        Its ports were free when they were chosen for it, and are its own only once it runs: of many
        kernels that start at once on a busy machine, one may find that another has one of them.
        """
        for start in range(2, _STARTS + 1):
            try:
                return await self._answering_kernel()
            except RuntimeError as error:
                # The error isn't specialized; one that does not answer in time is another case.
                if self.stopped or "Kernel died" not in str(error):
                    raise
            print(f"The kernel died as it started: start {start} of {_STARTS}.", flush=True)  # noqa: T201 (the log)
            self.km = self.create_kernel_manager()
            await super().async_start_new_kernel()
        return await self._answering_kernel()

    async def _answering_kernel(self) -> KernelClient:
        client: KernelClient = await super().async_start_new_kernel_client()
        return client

    def stop(self) -> None:
        """Interrupt the running cell, and kill its kernel if that does not end it."""
        if not self.stopped and not self._has_run:
            self.stopped = True
            self._stopping = asyncio.get_running_loop().create_task(self._end_kernel())

    async def _run_cell(self, index: int, cell: Any) -> bool:
        """Run a cell; return whether the next one may run."""
        self.progress.cell_starts()
        print(f"[{self.progress.cell}/{self.progress.total}]", flush=True)  # noqa: T201 (the log)
        failed = True
        self._in_cell = True
        self.nb_man.cell_start(cell, index)
        try:
            await self.async_execute_cell(cell, index)
            failed = False
        except CellExecutionError as error:
            self.nb_man.cell_exception(cell, cell_index=index, exception=error)
        finally:
            self._in_cell = False
            self.nb_man.cell_complete(cell, cell_index=index)
            self.progress.cell_ends(failed=failed)
        return not failed

    async def _end_kernel(self) -> None:
        # A kernel that still starts would die of it without a word.
        if self._in_cell:
            await ensure_async(self.km.interrupt_kernel())
        await asyncio.sleep(_INTERRUPT_GRACE_S)
        print("The cell did not end when interrupted: its kernel is killed.", flush=True)  # noqa: T201 (the log)
        with contextlib.suppress(RuntimeError):  # it has just ended by itself
            await ensure_async(self.km.shutdown_kernel(now=True))


def job_engine(progress: ProgressWriter, clients: list[JobClient]) -> type[Engine]:
    """Return a papermill engine that runs one job; its client is put into ``clients``."""

    class JobEngine(Engine):  # type: ignore[misc] # papermill has no types
        """Runs a notebook by ``JobClient``."""

        @classmethod
        def execute_managed_notebook(
            cls, nb_man: NotebookExecutionManager, kernel_name: str, **_options: Any
        ) -> None:
            client = JobClient(
                nb_man,
                progress,
                kernel_name=kernel_name,
                timeout=None,
                startup_timeout=120,
                stdout_file=sys.stdout,
                stderr_file=sys.stderr,
            )
            clients.append(client)
            asyncio.run(client.run_job())

    return JobEngine
