"""What is told of a number that was typed and cannot be: what was typed, and what to write."""


def misfit_words(typed: str, least: int, most: int | None = None) -> str:
    """Return why a text is no whole number from ``least`` to ``most``; ``None``: without an end."""
    bounds = f"{least} or more" if most is None else f"one from {least} to {most}"
    return f"{typed!r} is no number that fits here: write {bounds}"


def no_factor_words(typed: str) -> str:
    """Return why a text is no number above zero."""
    return f"{typed!r} is no number that fits here: write one above 0, such as 1 or 2.5"
