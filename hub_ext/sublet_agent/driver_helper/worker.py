"""The process that makes one driver call at a time, for the helper that started it.

It reads requests from its standard input and answers on its standard output. When the helper is
gone, it ends as soon as the call that it is in is over: a call is never broken off.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

from sublet_agent.cgroups.standing_still import STILLNESS_WORDS, StandingStill
from sublet_agent.driver_helper.cuda_driver import CudaDriver, NoDriverError
from sublet_agent.driver_helper.messages import (
    NOT_BEGUN,
    DriverAnswer,
    DriverRequest,
    Operation,
    Outcome,
)
from sublet_agent.driver_helper.under_way import noted
from sublet_agent.processes.process_table import LinuxProcessTable


class Worker:
    """The calls of one worker."""

    def __init__(self, folder: Path, driver: CudaDriver, still: StandingStill) -> None:
        self._folder, self._driver, self._still = folder, driver, still
        self._table = LinuxProcessTable()

    def answer(self, request: DriverRequest) -> DriverAnswer:
        """Make a call, unless its target is gone or could not answer; return what came of it."""
        identity = self._table.identify(request.pid)
        if identity is None or identity.start_ticks != request.start_ticks:
            return DriverAnswer(outcome=Outcome.GONE, detail=f"process {request.pid} has ended")
        stillness = self._still.why(request.pid)
        if stillness is not None:
            detail = f"process {request.pid} {STILLNESS_WORDS[stillness]}"
            return DriverAnswer(outcome=Outcome.STANDS_STILL, detail=detail)
        if request.operation is Operation.STATE:
            code, state = self._driver.state(request.pid)
            return self._told(request, code, state)
        with contextlib.ExitStack() as note:
            try:
                note.enter_context(noted(self._folder, request))
            except OSError as error:
                # Letting somebody run must not wait for room on a disk.
                if request.operation is not Operation.UNLOCK:
                    detail = f"not begun: it cannot be noted down ({error})"
                    return DriverAnswer(outcome=Outcome.FAILED, detail=detail)
            if request.is_over:
                return NOT_BEGUN
            code = self._driver.operate(
                request.operation, request.pid, request.timeout_ms, request.mapping
            )
        return self._told(request, code, None)

    def _told(self, request: DriverRequest, code: int, state: int | None) -> DriverAnswer:
        if code == 0:
            return DriverAnswer(outcome=Outcome.DONE, state=state)
        detail = (
            f"{request.operation} of process {request.pid} failed: "
            f"{self._driver.name_of(code)} (error {code})"
        )
        return DriverAnswer(outcome=Outcome.FAILED, code=code, detail=detail)


def main() -> None:
    """Answer requests until there are none."""
    # Whoever stops the helper does not break off a call.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folder = Path(sys.argv[1])
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    # What a library prints must not be taken for an answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # A helper that has ended hears no answer.
    with contextlib.suppress(BrokenPipeError):
        try:
            driver = CudaDriver()
        except NoDriverError as error:
            answers.write(DriverAnswer(outcome=Outcome.FAILED, detail=str(error)).line())
            sys.exit(1)
        word = f"CUDA {driver.version[0]}.{driver.version[1]}"
        answers.write(DriverAnswer(outcome=Outcome.DONE, code=driver.init_code, detail=word).line())
        worker = Worker(folder, driver, StandingStill())
        for line in sys.stdin.buffer:
            answers.write(worker.answer(DriverRequest.model_validate_json(line)).line())


if __name__ == "__main__":
    main()
