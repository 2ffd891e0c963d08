"""Which name may have been meant by one that is not there."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return the name that may have been meant, in whichever case; empty where none is near."""
    by_letters = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold(), by_letters, n=1)
    return by_letters[found[0]] if found else ""
