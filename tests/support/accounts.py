"""Accounts for tests that need one nobody else on this machine has, another run's tests included.

An agent may keep all processes of an account from running: so no two tests share one.
"""

import itertools
import os

import pytest

_FIRST = 1_000_000
_OF_A_PROCESS = 64
_numbers = itertools.count()


def an_account() -> int:
    """Return the uid of an account that no process has; skip the test where that needs root."""
    if os.geteuid() != 0:
        pytest.skip("processes of other accounts need root")
    return _FIRST + os.getpid() * _OF_A_PROCESS + next(_numbers) % _OF_A_PROCESS
