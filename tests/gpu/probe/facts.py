"""The card's facts, and its settings put back: NVML is asked in a process of its own.

Whoever has NVML open keeps the driver loaded, which is what some questions must do without. Run as
a script: the driver, and as JSON the facts whose settings are to be put back, if they are. Says one
line of JSON.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.gpu.probe.driver import ProbeError, open_monitor

_ROOT: Final = Path(__file__).parents[3]
_ANSWERS_WITHIN_S: Final = 60.0


def facts_of_card(kind: str) -> dict[str, Any]:
    """Return driver, card and settings; ``ProbeError`` where no card can be asked."""
    return _ask(kind)


def put_back(kind: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Put the settings back that are no longer as in these facts; returns NVML's results."""
    try:
        return _ask(kind, json.dumps(facts))
    except ProbeError as error:
        return {"error": str(error)}


def _ask(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.gpu.probe.facts", *words]
    try:
        done = subprocess.run(
            command,
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=_ANSWERS_WITHIN_S,
        )
    except subprocess.TimeoutExpired as error:
        message = f"NVML does not answer within {_ANSWERS_WITHIN_S:.0f} s"
        raise ProbeError(message) from error
    except subprocess.CalledProcessError as error:
        raise ProbeError(error.stderr.strip() or str(error)) from error
    return dict(json.loads(done.stdout))


def main() -> None:
    """Answer what the command line names."""
    kind, *facts = sys.argv[1:]
    try:
        monitor = open_monitor(kind)
        told = monitor.put_back(json.loads(facts[0])) if facts else monitor.facts()
    except ProbeError as error:
        sys.exit(str(error))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
