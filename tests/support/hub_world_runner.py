"""A stand-in for an owner's Python with ``sublet_lab.runner``: same contract, no papermill.

The "notebook" is a JSON file: what ``check`` prints, and what ``run`` does. Called as
``interpreter -P -m sublet_lab.runner check|run ...``.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def write_interpreter(path: Path, python: str = sys.executable) -> str:
    """Write an executable that starts a copy of this file quickly."""
    runner = path.with_name("runner.py")
    runner.write_text(Path(__file__).read_text())
    runner.chmod(0o644)
    path.write_text(f'#!/bin/sh\nexec {python} -S -E {runner} "$@"\n')
    path.chmod(0o755)
    return str(path)


def write_script(path: Path, *steps: Any, **facts: Any) -> Path:
    """A notebook for this runner: ``["print", text]``, ``["wait", file]``, ``["stay"]`` ..."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"steps": list(steps), **facts}))
    return path


def _check(notebook: Path) -> None:
    try:
        script = json.loads(notebook.read_text())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{notebook} is not a notebook: {type(error).__name__}\n")
        sys.exit(3)
    facts = {"kernel": "python3", "kernel_installed": True, "parameters": []}
    facts.update({name: script[name] for name in facts if name in script})
    print(json.dumps({"cells": len(script["steps"]), **facts}))


def _take_along(notebook: Path, to: Path, paths: list[str]) -> None:
    to.mkdir(parents=True)
    for name in (notebook.name, *paths):
        if not (notebook.parent / name).is_file():
            sys.stderr.write(f"{name} cannot be taken along: it is not there\n")
            sys.exit(3)
        (to / name).write_bytes((notebook.parent / name).read_bytes())
    print("{}")


def _run(request_fd: int, progress_fd: int) -> None:
    with os.fdopen(request_fd) as pipe:
        text = pipe.read()
    if not text:
        sys.exit(3)
    request = json.loads(text)
    steps = json.loads(Path(request["notebook"]).read_text())["steps"]

    def say(**line: Any) -> None:
        os.write(progress_fd, json.dumps(line).encode() + b"\n")

    for cell, step in enumerate(steps, 1):
        say(cell=cell, total=len(steps), state="running")
        _take(step, request)
        if step[0] == "fail" or (step[0] == "fail once" and _is_first(Path(step[2]))):
            shown = f"Traceback (most recent call last):\nValueError: {step[1]}"
            error = {"cell": cell, "name": "ValueError", "message": step[1], "traceback": shown}
            say(ended=True, ok=False, error=error, output=request["output"])
            sys.exit(1)
        say(cell=cell, total=len(steps), state="done")
    say(ended=True, ok=True, error=None, output=request["output"])


def _is_first(mark: Path) -> bool:
    if mark.exists():
        return False
    mark.touch()
    return True


def _take(step: list[Any], request: dict[str, Any]) -> None:
    match step:
        case ["print", text]:
            print(text, flush=True)
        case ["write", name, what]:
            values = {"pid": os.getpid(), "environment": dict(os.environ), "request": request}
            Path(name).write_text(json.dumps(values[what]))
        case ["wait", name]:
            while not Path(name).exists():
                time.sleep(0.02)
        case ["deaf"]:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case ["kernel", name]:
            # As kernels do: a session of its own, and deaf to the end of its parent.
            command = ["sh", "-c", "trap '' TERM HUP; while :; do sleep 0.1; done"]
            child = subprocess.Popen(command, start_new_session=True)
            Path(name).write_text(str(child.pid))
        case ["leave", name]:
            # Nobody knows it for the job's: a session and an environment of its own.
            script = "trap '' PIPE; echo $$ > $0.pid; while [ ! -e $0.go ]; do sleep 0.1; done; "
            said = "echo late; echo $? > $0.status; mv $0.status $0.said"
            command = ["/bin/sh", "-c", script + said, name]
            subprocess.Popen(command, start_new_session=True, env={})
            while not Path(f"{name}.pid").exists():
                time.sleep(0.02)
        case ["die", number]:
            os.kill(os.getpid(), number)


if __name__ == "__main__":
    arguments = sys.argv[sys.argv.index("sublet_lab.runner") + 1 :]
    if arguments[0] == "check":
        _check(Path(arguments[2]))
    elif arguments[0] == "take":
        _take_along(Path(arguments[2]), Path(arguments[4]), arguments[6::2])
    else:
        _run(int(arguments[2]), int(arguments[4]))
