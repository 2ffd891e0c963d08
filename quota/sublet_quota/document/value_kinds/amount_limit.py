"""A limit of several kinds at once, written as one mapping: ``{H100: 8, cards: 20, slices: 4}``."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from pydantic import ConfigDict, Field

from sublet_quota.document.section import Section
from sublet_quota.document.value_kinds.cards import CardsLimit
from sublet_quota.document.value_kinds.sizes import MemoryLimit
from sublet_quota.document.values import CountLimit, Unlimited

NO_TYPES: Final = frozenset({"cards", "memory", "slices", "jobs", "compute", "pool"})
"""What no GPU type may be called: keys of a limit, now or before."""


class AmountLimit(Section):
    """The most of each kind, as far as it is said; 'unlimited' lifts what others say."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, CardsLimit] = Field(init=False)

    cards: CardsLimit | None = Field(
        default=None, description="Cards of all types together; a type is limited by its name."
    )
    memory: MemoryLimit | None = Field(
        default=None, description="The sum of the memory caps of slices, or 'unlimited'."
    )
    slices: CountLimit | None = Field(
        default=None, description="How many slices at a time, or 'unlimited'."
    )

    @classmethod
    def may_be_empty(cls) -> bool:
        """Return ``False``: an empty limit would silently be none."""
        return False

    @property
    def types(self) -> Mapping[str, Fraction | Unlimited]:
        """The cards by GPU type."""
        return self.__pydantic_extra__ or {}
