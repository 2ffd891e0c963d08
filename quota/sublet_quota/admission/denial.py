"""A refusal before it is told: the code, the facts, the rule and where the document says it.

What would help is found out afterwards, and only for the one refusal that is told
(``placement.advice``): finding out asks for other decisions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.names.ids import GpuId, GroupName
from sublet_quota.reasons.derivation import Derivation, DocumentLine, Rule
from sublet_quota.reasons.helping import Help
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.reasons.refusals.facts import Fact
from sublet_quota.reasons.refusals.refuse import HELPS, RefusalCode, facts_of, refuse


@dataclass(frozen=True, slots=True)
class Denial:
    """Why not."""

    code: RefusalCode
    rule: Rule
    group: GroupName | None = None
    """Who would pay, or whose limit it is."""
    lines: tuple[DocumentLine, ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)
    waits_for: tuple[GroupName | None, ...] = ()
    less: GpuAmount | None = None
    """What could be had of the amounts that were asked for, as far as this refusal knows."""

    closed: tuple[GpuId, ...] = ()
    """The cards that would do, were they open."""

    @property
    def tells_help(self) -> bool:
        """Whether the refusal's words say what would help."""
        return HELPS in facts_of(self.code)

    @property
    def reason(self) -> RefusalReason:
        """The reason of the refusal, which needs none of its words."""
        return self.code.value.reason

    def told(self, helps: tuple[Help, ...] = ()) -> Refusal:
        """Return the refusal; ``helps`` where its words say so."""
        return refuse(
            self.code,
            why=Derivation(self.rule, self.group, self.lines),
            helps=helps,
            waits_for=self.waits_for,
            **self.facts,
        )
