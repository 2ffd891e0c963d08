"""How much room a slice leaves unusable on a card, for the sizes that people ask for.

That is the gradient of fragmentation (FGD: Weng et al., USENIX ATC'23): room that is too small for
a size is of no use to whoever asks for that size, as often as it is asked for. It may become less,
where a remainder is used up. What is less than a step counts as equal: of cards that differ by so
little the tightest is better, as it leaves large rooms whole (measured: of many small sizes to the
last millionth one in fifteen more were refused, and in steps none).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sublet_quota.admission.slice_request import amount_of
from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.quota_document import QuotaDocument

_CARD: Final = 1_000_000
"""Into so many parts a card is cut here: whole numbers are compared quickly."""
_STEPS: Final = 20
"""In so many steps a card of which nothing is of use to anybody is counted."""


@dataclass(frozen=True, slots=True)
class UnusableRoom:
    """What room on cards of one kind is worth to those who ask."""

    usable_mib: int
    asked: tuple[tuple[GpuAmount | None, int], ...]
    """What is asked for, as it would be on such a card, and how often; ``None``: never there."""
    _known: dict[tuple[int, int], int] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def on(
        cls, document: QuotaDocument, asked: Mapping[str, int], kind: GpuKind, gpu_type: str
    ) -> "UnusableRoom | None":
        """Return what room is worth where these sizes were asked for so often; ``None``: unknown.

        Names that the document does not have (any more) say nothing.
        """
        known = {name: often for name, often in asked.items() if name in document.sizes and often}
        if not known or not kind.usable_mib:
            return None
        sizes = [(document.sizes[name], often) for name, often in sorted(known.items())]
        return cls(
            kind.usable_mib,
            tuple(
                (amount_of(size, kind) if size.may_lie_on(gpu_type) else None, often)
                for size, often in sizes
            ),
        )

    def more_by(self, memory_mib: int, compute_milli: int, taken: GpuAmount) -> int:
        """Return by how many steps more is unusable where a slice takes from a room; or less."""
        after = memory_mib - taken.memory_mib, compute_milli - taken.compute_milli
        more = self._unusable(*after) - self._unusable(memory_mib, compute_milli)
        steps = abs(more) * _STEPS // (_CARD * sum(often for _, often in self.asked))
        return steps if more > 0 else -steps

    def _unusable(self, memory_mib: int, compute_milli: int) -> int:
        """Return the room that is too small for what is asked, by how often that is."""
        room = memory_mib, compute_milli
        if room not in self._known:
            left = GpuAmount(max(0, memory_mib), max(0, compute_milli))
            size = max(
                left.memory_mib * _CARD // self.usable_mib,
                left.compute_milli * _CARD // WHOLE_GPU_MILLI,
            )
            often = sum(n for amount, n in self.asked if amount is None or not amount.fits_in(left))
            self._known[room] = size * often
        return self._known[room]
