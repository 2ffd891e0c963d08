"""What tells a program to stop, seen on a program of its own."""

import signal
import subprocess
import sys

from tests.support.programs import ends_with_its_terminal

SIGNALLED = """
import os, signal
from sublet_hub.one_machine.signals import exit_once, made_to_wait, when_told_to_stop
when_told_to_stop(exit_once)
def tell(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)
"""


def run(program: str, *before: str) -> tuple[int, str]:
    command = [*before, sys.executable, "-c", SIGNALLED + program]
    with ends_with_its_terminal():
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return ended.returncode, ended.stdout


def test_the_end_of_the_terminal_stops_a_program():
    assert run("tell(signal.SIGHUP); print('goes on')") == (128 + signal.SIGHUP, "")


def test_under_nohup_a_program_outlives_its_terminal():
    nohup = ("bash", "-c", "trap '' HUP; exec \"$@\"", "bash")
    assert run("tell(signal.SIGHUP); print('goes on')", *nohup) == (0, "goes on\n")


def test_who_is_told_twice_goes_on_stopping():
    program = """
try:
    tell(signal.SIGTERM)
finally:
    tell(signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    print("stopped")
"""
    assert run(program) == (128 + signal.SIGTERM, "stopped\n")


def test_what_must_not_be_interrupted_is_done_before_the_program_exits():
    program = """
with made_to_wait():
    tell(signal.SIGHUP)
    print("done")
print("goes on")
"""
    assert run(program) == (128 + signal.SIGHUP, "done\n")
