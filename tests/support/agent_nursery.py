"""Forks real agent processes from one that has imported everything, so that a start is cheap.

Run as a script. Each line on stdin is a JSON object with the agent's ``argv`` and its ``log``;
the answer is the pid. What is forked runs the very ``main`` that the watchdog's command runs.
"""

import json
import os
import signal
import sys
import traceback

from sublet_agent.app import serving


def run_agent(argv: list[str], log: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    handle = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.argv = ["sublet-agent", *argv]
    status = 1
    try:
        serving.main()
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # noqa: BLE001 - told in the log; the exit status says the rest
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(status)


def main() -> None:
    # Nobody waits for the agents that are killed: the kernel shall take them away.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            run_agent(order["argv"], order["log"])
        print(pid, flush=True)


if __name__ == "__main__":
    main()
