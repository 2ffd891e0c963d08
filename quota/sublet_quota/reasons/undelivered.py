"""Why a notice did not reach its receiver by mail or webhook: the codes, and the words."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Undelivered(StrEnum):
    """What kept a notice from its receiver."""

    UNREACHABLE = "unreachable"
    NOT_TRUSTED = "not-trusted"
    LOGIN_REFUSED = "login-refused"
    REFUSED = "refused"
    TRY_LATER = "try-later"
    REDIRECTED = "redirected"
    ADDRESS_NOT_ALLOWED = "address-not-allowed"
    NO_MAIL_ADDRESS = "no-mail-address"
    TOO_LATE = "too-late"
    TOO_MANY = "too-many"


_CLAUSES: Final[Mapping[Undelivered, str]] = MappingProxyType(
    {
        Undelivered.UNREACHABLE: "the receiver does not answer",
        Undelivered.NOT_TRUSTED: "the receiver has no certificate that is trusted, or no TLS",
        Undelivered.LOGIN_REFUSED: "the mail server refuses the user or the password",
        Undelivered.REFUSED: "the receiver refuses it",
        Undelivered.TRY_LATER: "the receiver asks to try again later",
        Undelivered.REDIRECTED: "the receiver names another address, and none is followed",
        Undelivered.ADDRESS_NOT_ALLOWED: (
            "the receiver's name leads to a private address: set notices_webhook_private if it may"
        ),
        Undelivered.NO_MAIL_ADDRESS: "the user's name makes no mail address",
        Undelivered.TOO_LATE: "what it tells of was over before it was delivered",
        Undelivered.TOO_MANY: "its user was sent too many of their own doing lately",
    }
)
FOR_GOOD: Final = frozenset(
    {
        Undelivered.REFUSED,
        Undelivered.REDIRECTED,
        Undelivered.NO_MAIL_ADDRESS,
        Undelivered.TOO_LATE,
        Undelivered.TOO_MANY,
    }
)
"""Where trying again changes nothing."""


def undelivered_clause(why: Undelivered) -> str:
    """Return why a notice was not delivered."""
    return _CLAUSES[why]
