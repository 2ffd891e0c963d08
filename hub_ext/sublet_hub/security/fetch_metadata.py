"""What a browser tells of a request by itself: ``Sec-Fetch-*``, which no script can set.

Browsers tell it over https and to this machine; without it nothing is said here, and HubOAuth's
check of ``_xsrf`` alone decides.
"""

from collections.abc import Mapping
from typing import Final

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OF_A_PAGE: Final = {
    "Sec-Fetch-Site": {"same-origin"},
    "Sec-Fetch-Mode": {"cors", "same-origin"},
    "Sec-Fetch-Dest": {"empty"},
}
_OF_A_WINDOW: Final = {"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}}


def is_of_own_page(headers: Mapping[str, str]) -> bool:
    """Whether a script of a page of this very origin can have sent this, as far as is told."""
    return headers.get("Origin") != "null" and _fits(headers, _OF_A_PAGE)


def is_for_a_window(headers: Mapping[str, str]) -> bool:
    """Whether the answer is shown in a window of its own, as far as is told: no script reads it."""
    return _fits(headers, _OF_A_WINDOW)


def _fits(headers: Mapping[str, str], allowed: Mapping[str, set[str]]) -> bool:
    return all(headers.get(name) in {None, *values} for name, values in allowed.items())
