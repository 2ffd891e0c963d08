"""The exit codes of the runner; importing this costs nothing."""

import signal
from typing import Final

FAILED: Final = 1
BAD_REQUEST: Final = 3
"""The exit code where the notebook cannot run as a job, or what was asked for cannot be read."""
TERMINATED: Final = 128 + signal.SIGTERM
