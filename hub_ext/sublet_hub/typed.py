"""What is typed for an option, as numbers; what cannot be read is told in words."""

import math
from typing import Any, Final

import click
from sublet_quota.reasons.typed_numbers import misfit_words, no_factor_words


class WholeNumber(click.IntRange):
    """A whole number within bounds."""

    name = "number"

    def __init__(self, least: int, most: int) -> None:
        super().__init__(least, most)
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number that is typed."""
        try:
            number = int(value)
        except ValueError:
            number = self.least - 1
        if self.least <= number <= self.most:
            return number
        raise click.BadParameter(misfit_words(str(value), self.least, self.most), ctx, param)


class Factor(click.ParamType):  # type: ignore[type-arg, unused-ignore] # as of its release
    """A number above zero, by which something is more."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number that is typed."""
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if 0 < number < math.inf:
            return number
        raise click.BadParameter(no_factor_words(str(value)), ctx, param)


PORT: Final = WholeNumber(1, 65535)
FACTOR: Final = Factor()
