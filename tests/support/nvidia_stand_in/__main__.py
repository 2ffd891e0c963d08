"""Run a command over the stand-in: what it starts finds these libraries as the driver's.

python -m tests.support.nvidia_stand_in --cards 2 python -m tests.gpu.probe
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.nvidia_stand_in.stand_in import NvidiaStandIn


def main() -> int:
    """Run it, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.nvidia_stand_in")
    parser.add_argument("--cards", type=int, default=1)
    parser.add_argument("--mib-per-gib", type=int, default=256, help="1024: as on a card")
    parser.add_argument("--speed", type=float, default=20.0, help="1: as on a card; 0: at once")
    parser.add_argument(
        "--bytes-per-mib",
        type=int,
        default=64,
        help="1048576: all, as the canary asks",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sublet-gpus-") as folder:
        Path(folder).chmod(0o755)
        with NvidiaStandIn.running(
            Path(folder),
            cards=options.cards,
            mib_per_gib=options.mib_per_gib,
            speed=options.speed,
            bytes_per_mib=options.bytes_per_mib,
        ) as stand_in:
            environment = {**os.environ, **stand_in.environment()}
            return subprocess.run(options.command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
