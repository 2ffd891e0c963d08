"""What is remembered of a card's turns of computing, and what is decided of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from sublet_quota.compute.proofs import Proofs
from sublet_quota.compute.rests import Rest
from sublet_quota.compute.turns import Round
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import ShareKept


@dataclass(frozen=True, slots=True)
class PastCompute:
    """What is remembered of a card from one decision to the next."""

    round: Round | None = None
    """The turns that are being taken."""
    since: datetime | None = None
    """Since when they are those."""
    rests: Mapping[SliceId, Rest] = field(default_factory=dict)
    short_since: Mapping[SliceId, datetime] = field(default_factory=dict)
    """Since when those that take turns have not been seen to fill them."""
    runs_on_since: Mapping[SliceId, datetime] = field(default_factory=dict)
    """Since when those have more than is due whose turns are as short as they are ever made."""
    corrections: Mapping[SliceId, Fraction] = field(default_factory=dict)
    """By how much each one's turn is longer than its due, so that it has that."""
    left_at: Mapping[SliceId, datetime] = field(default_factory=dict)
    """When each one left the turns last, as it computed no longer."""
    idle_since: Mapping[SliceId, datetime] = field(default_factory=dict)
    """Since when those that have open turns do not compute."""
    proofs: Proofs = field(default_factory=Proofs)
    """Whether that was seen to give them what is due."""


@dataclass(frozen=True, slots=True)
class ComputeDecision:
    """Who takes turns from now on, and how it stands with each share."""

    past: PastCompute
    kept: Mapping[SliceId, ShareKept]

    @property
    def round(self) -> Round | None:
        """The turns to take; ``None``: all run freely."""
        return self.past.round
