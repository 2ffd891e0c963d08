"""Keeps what could be a secret out of the log: tokens, cookies, and what libraries say of them."""

import logging
import re

_SECRET = re.compile(
    r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?(?:token|bearer|basic)\s+|\b(?:token|_xsrf|code)=)"
    r"[^\s'\"&;,]+"
)
_LEFT_OUT = (
    "Setting new xsrf cookie",
    "xsrf id mismatch",
    "oauth state argument",
    "Received request from Hub user",
    "User model",
)
"""The beginnings of what JupyterHub's library logs with the values of cookies in it."""


class Redaction(logging.Filter):
    """A log filter that drops messages with cookies, and blots tokens out of the others."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Blot out tokens; return whether the record may be logged at all."""
        if str(record.msg).startswith(_LEFT_OUT):
            return False
        text = record.getMessage()
        clean = _SECRET.sub(r"\1[secret]", text)
        if clean != text:
            record.msg, record.args = clean, ()
        return True


def redact_logs() -> None:
    """Put a ``Redaction`` before everything that is logged."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(Redaction())
    # Request lines with their query are tornado's to log, headers of failures too: not wanted.
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
