"""One call of the checkpoint API, in a process of its own that may be given up or killed.

Run as a script: driver, operation, pid, time-out in ms, and words: ``init`` (``cuInit`` first),
``nvml`` (NVML stays open meanwhile), ``as-user`` (made by an account without rights). Says
``ready``, then one line of JSON when the call came back.
"""

import json
import os
import sys
import time

from tests.gpu.probe.driver import open_driver, open_monitor

PLAIN_USER = 65534


def main() -> None:
    """Make the call that the command line names."""
    kind, operation, pid, timeout_ms, *words = sys.argv[1:]
    driver = open_driver(kind)
    told: dict[str, object] = {"call": operation}
    if "init" in words:
        told["cuInit"] = driver.initialise()
    monitor = open_monitor(kind) if "nvml" in words else None
    if "as-user" in words:
        os.setresuid(PLAIN_USER, PLAIN_USER, PLAIN_USER)
    print("ready", flush=True)
    began = time.perf_counter()
    word = ""
    match operation:
        case "get-state":
            code, word = driver.state(int(pid))
        case "lock":
            code = driver.lock(int(pid), int(timeout_ms))
        case "checkpoint":
            code = driver.checkpoint(int(pid))
        case "restore":
            code = driver.restore(int(pid))
        case _:
            code = driver.unlock(int(pid))
    told |= {"code": code, "word": word, "seconds": round(time.perf_counter() - began, 6)}
    print(json.dumps(told), flush=True)
    del monitor


if __name__ == "__main__":
    main()
