"""The agent's log: no secrets, one line a message, and not more than a minute takes."""

import subprocess
import sys
from pathlib import Path

from sublet_agent.log_cleaning import LogCleaning

from tests.support.written_logs import written_log


class Unshown:
    def __str__(self) -> str:
        raise RuntimeError


def test_secrets_and_foreign_lines_are_taken_out() -> None:
    log = written_log(LogCleaning)
    log.logger.error("refused: %s", {"Authorization": "Bearer canary-0123456789"})
    log.logger.warning("a tenant says %s", "x\nERROR forged\x1b[2J")
    assert "canary" not in log.stream.getvalue()
    assert len(log.lines) == 2
    assert all(line.isprintable() for line in log.lines)


def test_what_cannot_be_shown_reaches_nobody_who_logs() -> None:
    log = written_log(LogCleaning)
    log.logger.error("a tenant says %s", Unshown())
    log.logger.error(Unshown())
    assert len(log.lines) == 2


def test_a_flood_is_cut_off_and_told_of_a_minute_later() -> None:
    now_s = [0.0]
    log = written_log(lambda handler: LogCleaning(handler, lambda: now_s[0]))
    for number in range(1000):
        log.logger.error("a tenant's connection %d broke", number)
    assert len(log.lines) == 120
    now_s[0] = 60.0
    log.logger.error("later")
    assert "880 more like this in the last minute" in log.lines[120]
    assert len(log.lines) == 122


SAY = """
import logging
from sublet_agent.app.application import SubletAgent

agent = SubletAgent()
agent.initialize(["--log-level=DEBUG"])
for logger in (logging.getLogger("sublet_agent.somewhere"), agent.log):
    logger.warning("GET /x?access_token=%s", "canary-0123456789\\nERROR forged")
"""


def test_all_that_the_agents_program_logs_is_cleaned(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAY], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = done.stderr.splitlines()
    assert sum("access_token=[secret]\\nERROR forged" in line for line in lines) >= 2
    assert not any("canary" in line or line.startswith("ERROR") for line in lines)
