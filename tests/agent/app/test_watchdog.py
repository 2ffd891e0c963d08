"""The agent's parent, told to stop while the agent does what it will."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

WATCHDOG = """
import sys
from sublet_agent.app import watchdog
watchdog.STOP_WITHIN_S = float(sys.argv[2])
command = [sys.executable, "-S", "-E", "-c", sys.argv[1]]
looked_after = lambda: print("looked after", flush=True)
sys.exit(watchdog.Watchdog(command, looked_after).run())
"""
READY = "import signal, sys, time; print('ready', flush=True); "
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY + "time.sleep(600)"
OBEYS = (
    "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); "
    + READY
    + "time.sleep(600)"
)
FAILS = OBEYS.replace("sys.exit(0)", "sys.exit(5)")


LONG_S = 60.0


@pytest.mark.parametrize(
    ("agent", "within_s", "looked_after", "status"),
    [
        (DEAF, 0.5, True, -signal.SIGKILL),
        # On a busy machine to obey takes its time, too.
        (FAILS, LONG_S, True, 5),
        (OBEYS, LONG_S, False, 0),
    ],
)
def test_who_stops_ends_in_time_and_owners_are_looked_after_where_the_agent_could_not(
    agent: str, within_s: float, *, looked_after: bool, status: int
) -> None:
    command = [sys.executable, "-c", WATCHDOG, agent, str(within_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watchdog:
        assert watchdog.stdout is not None
        assert watchdog.stdout.readline() == "ready\n"
        watchdog.terminate()
        said, _ = watchdog.communicate(timeout=60)
        assert ("looked after" in said) == looked_after
        assert watchdog.returncode == status % 256


# The first agent serves, then fails; the second cannot work as it is set up.
TWO_LIVES = (
    "import pathlib, sys; lived = pathlib.Path({!r}); again = lived.exists(); lived.touch(); "
    "sys.exit(78 if again else 5)"
)


@pytest.mark.parametrize(("is_first", "looked_after"), [(False, 2), (True, 0)])
def test_before_an_agent_is_given_up_owners_are_looked_after_unless_none_has_served(
    tmp_path: Path, *, is_first: bool, looked_after: int
) -> None:
    lived = tmp_path / "lived"
    if is_first:
        lived.touch()
    command = [sys.executable, "-c", WATCHDOG, TWO_LIVES.format(str(lived)), str(LONG_S)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 78
    assert ended.stdout.count("looked after") == looked_after
