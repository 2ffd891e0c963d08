"""How the runner ends; importing this costs nothing."""

import signal
from typing import Final

FAILED: Final = 1
BAD_REQUEST: Final = 3
"""The notebook cannot run as a job, or what was asked for cannot be read."""
TERMINATED: Final = 128 + signal.SIGTERM
