"""The kinds of GPU: what a slice comes to depends on model and memory."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import Final

MOST_PATTERNS: Final = 1000
"""So many patterns are kept as they are looked for: who asks for a GPU may write any."""

_WILD: Final = frozenset("*?[")


def is_pattern(text: str) -> bool:
    """Whether a text stands for several names."""
    return not _WILD.isdisjoint(text)


@lru_cache(maxsize=MOST_PATTERNS)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name matches one of the patterns; upper and lower case are the same."""
    small = name.lower()
    return any(
        _compiled(each).match(small) is not None if is_pattern(each) else each == small
        for each in map(str.lower, patterns)
    )


@dataclass(frozen=True, slots=True)
class GpuKind:
    """GPUs on which a size means the same."""

    type: str
    memory_mib: int
    margin_mib: int

    @property
    def usable_mib(self) -> int:
        """The memory that slices may fill: no slice is ever larger."""
        return max(0, self.memory_mib - self.margin_mib)

    def is_type(self, wished: str | None) -> bool:
        """Whether the GPU is of the model that is wished for, by its name or a pattern for it."""
        return wished is None or wished == self.type or matches(self.type, (wished,))
