"""``python -m sublet_agent.driver_helper``: the process that calls the driver for this node.

It runs until it is told to stop, or nobody has asked it anything for long; what is under way then
goes on to its end in the workers. With ``--keep``, as in a container that ends with it, it stays
while the agent does, and until nothing is under way.
"""

import argparse
import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Final

from sublet_agent.driver_helper.client import CLAIM_NAME
from sublet_agent.driver_helper.listening import DriverHelperSocket
from sublet_agent.driver_helper.messages import DriverAnswer, Outcome
from sublet_agent.driver_helper.service import DriverService
from sublet_agent.driver_helper.workers import WorkerDidNotStartError, Workers
from sublet_agent.log_cleaning import clean_logs
from sublet_agent.processes.core_dumps import leave_no_core_dump

CALLS_AT_ONCE: Final = 8
_READY_WORKERS: Final = 2
_OTHERS_READY_AFTER_S: Final = 5.0
_UNUSED_S: Final = 600.0
_LOOK_EVERY_S: Final = 5.0
_LOOK_AGAIN_S: Final = 0.1
_NO_DRIVER_EXIT: Final = 78
_TOLD_S: Final = 10.0
_LEAST_KILLED: Final = "-900"

log = logging.getLogger("sublet_agent.driver_helper")


def main() -> None:
    """Serve until told to stop."""
    leave_no_core_dump()
    parser = argparse.ArgumentParser(prog="sublet_agent.driver_helper", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="Where it keeps its files.")
    parser.add_argument("--keep", action="store_true", help="Run on while nobody asks anything.")
    options = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    clean_logs()
    folder: Path = options.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    claim = os.open(folder / CLAIM_NAME, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("another helper serves %s", folder)
        return
    with contextlib.suppress(OSError):
        # What ends the agent for its memory must not end this.
        Path("/proc/self/oom_score_adj").write_text(_LEAST_KILLED, encoding="ascii")
    sys.exit(asyncio.run(_serve(folder, keep=options.keep)))


async def _serve(folder: Path, *, keep: bool) -> int:
    calls = folder / "calls"
    calls.mkdir(mode=0o700, exist_ok=True)
    workers = Workers(calls, CALLS_AT_ONCE)
    service = DriverService(calls, workers)
    for each in await service.take_over():
        log.warning("still under way: %s of process %s", each.operation, each.pid)
    try:
        first = await workers.make_ready(_READY_WORKERS)
    except (WorkerDidNotStartError, OSError) as error:
        log.error("%s", error)  # noqa: TRY400 - what is wrong is said, where is not the question
        first = DriverAnswer(outcome=Outcome.FAILED, detail=str(error))
    listening = DriverHelperSocket(service, first)
    await listening.listen(folder / "socket")
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if first.outcome is not Outcome.DONE:
        # Who started this helper asks why it is of no use.
        await asyncio.wait({asyncio.create_task(stopped.wait())}, timeout=_TOLD_S)
        listening.close()
        return _NO_DRIVER_EXIT
    log.info("ready: %s", first.detail)
    others = asyncio.create_task(_make_others_ready(workers))
    unused_s = 0.0
    while not stopped.is_set() and (keep or unused_s < _UNUSED_S):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), _LOOK_EVERY_S)
        used = listening.is_used or not service.is_idle
        unused_s = 0.0 if used else unused_s + _LOOK_EVERY_S
    while keep and (listening.is_used or not service.is_idle):  # noqa: ASYNC110 - as above
        # Here what ends with this process are the workers, too; and the agent, which is told to
        # end at the same time, undoes what it was doing.
        await asyncio.sleep(_LOOK_AGAIN_S)
    listening.close()
    others.cancel()
    workers.let_end()
    return 0


async def _make_others_ready(workers: Workers) -> None:
    """Start workers for as many calls as may be at once, when the first ones are served.

    A process's first call of the driver takes seconds on a card, which neighbours who are paused
    for somebody's return would all wait for.
    """
    await asyncio.sleep(_OTHERS_READY_AFTER_S)
    try:
        await workers.make_others_ready()
    except (WorkerDidNotStartError, OSError) as error:
        log.warning("workers are started when they are needed: %s", error)


if __name__ == "__main__":
    main()
