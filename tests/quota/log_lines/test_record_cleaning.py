"""A record that cannot be shown is logged all the same, and who logs it hears nothing of that."""

import logging

import pytest
from sublet_quota.log_lines.record_cleaning import clean_record, kind_of

FORMAT = logging.Formatter().formatException
ERRORS = [RuntimeError("no"), TypeError(), KeyError("a"), RecursionError(), OSError(5, "x")]


class Unshown:
    """What cannot be shown."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error

    __repr__ = __str__


def record_of(message: object, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("a", logging.INFO, "", 0, message, arguments, None)


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_an_argument_that_cannot_be_shown_keeps_no_line_from_the_log(error: Exception) -> None:
    record = record_of("a tenant says %s", Unshown(error))
    assert kind_of(record)[0] == "a: a tenant says %s"
    clean_record(record, (), FORMAT)
    assert record.getMessage() == "a tenant says %s (its arguments do not fit)"


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_a_message_that_cannot_be_shown_is_named_by_its_kind(error: Exception) -> None:
    record = record_of(Unshown(error))
    assert kind_of(record)[0] == "a: a message that cannot be shown: Unshown"
    clean_record(record, (), FORMAT)
    assert "cannot be shown: Unshown" in record.getMessage()


def test_who_stops_the_program_in_the_middle_of_a_line_does() -> None:
    class Stopped:
        def __str__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clean_record(record_of("%s", Stopped()), (), FORMAT)
