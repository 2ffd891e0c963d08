"""The service's log: no secrets, one line a message, and not more than a minute takes."""

import logging

import pytest
from sublet_hub.security.log_redaction import Redaction

from tests.support.written_logs import WrittenLog, written_log

CANARY = "canary-0123456789abcdef"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock) -> WrittenLog:
    return written_log(lambda handler: Redaction(handler, {CANARY}, clock))


def test_messages_arguments_and_tracebacks_show_no_secrets(log: WrittenLog) -> None:
    log.logger.warning("GET %s", f"/api/jobs?access_token={CANARY}x")
    log.logger.info("odd%splace", CANARY)
    try:
        raise ValueError(f"Authorization: token {CANARY}y\n2026-11-30 INFO forged")  # noqa: TRY301, EM102
    except ValueError:
        log.logger.exception("it failed")
    written = log.stream.getvalue()
    assert "canary" not in written
    assert written.count("[secret]") >= 3
    assert all(line.startswith(("WARNING", "INFO", "ERROR", "    ")) for line in log.lines)
    assert "Traceback (most recent call last)" in written


def test_foreign_text_makes_no_line_and_moves_no_cursor(log: WrittenLog) -> None:
    log.logger.warning("a notebook %s is missing", "a\nERROR root: all is lost\x1b[2J")
    assert len(log.lines) == 1
    assert log.lines[0].isprintable()


class Unshown:
    def __str__(self) -> str:
        raise RuntimeError


def test_what_cannot_be_shown_reaches_nobody_who_logs(log: WrittenLog) -> None:
    log.logger.error("a notebook says %s", Unshown())
    log.logger.error(Unshown())
    assert len(log.lines) == 2


def test_what_the_library_says_of_cookies_is_left_out(log: WrittenLog) -> None:
    log.logger.info("Setting new xsrf cookie for %s", CANARY)
    assert log.lines == []


def test_a_flood_is_cut_off_and_told_of_a_minute_later(log: WrittenLog, clock: Clock) -> None:
    for number in range(1000):
        log.logger.warning("node %d is odd", number)
    assert len(log.lines) == 120
    log.logger.error("something else")
    assert len(log.lines) == 121
    clock.now_s = 60.0
    log.logger.warning("node %d is odd", 0)
    assert log.lines[121].endswith(
        f"880 more like this in the last minute: {log.logger.name}: node %d is odd"
    )
    assert log.lines[122].endswith("node 0 is odd")


def _fail(number: int) -> None:
    raise ValueError(number)


def test_tracebacks_have_a_smaller_share(log: WrittenLog) -> None:
    for number in range(100):
        try:
            _fail(number)
        except ValueError:
            log.logger.exception("failed")
    assert log.stream.getvalue().count("Traceback") == 20


def test_who_asks_for_every_detail_gets_all_of_them(log: WrittenLog) -> None:
    for number in range(500):
        log.logger.debug("detail %d", number)
    assert len(log.lines) == 500


def test_a_message_that_does_not_fit_its_arguments_is_written_all_the_same(log: WrittenLog) -> None:
    log.logger.log(logging.INFO, "%d of %d", 1)
    assert "arguments do not fit" in log.lines[0]
