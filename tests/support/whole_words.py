"""A name in a text in which random ids may have its letters, too."""

import re


def names(text: str, name: str) -> bool:
    """Whether a text has a name that is no part of a hexadecimal id."""
    return re.search(f"(?<![0-9a-f]){re.escape(name)}(?![0-9a-f])", text) is not None
