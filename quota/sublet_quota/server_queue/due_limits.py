"""What those before in line will have below limits: no time is told to whom that leaves no room.

What ends meanwhile below a limit is not counted on: it is told then that it hangs on a limit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from sublet_quota.admission.met_limits import Without, group_bounds, person_bounds
from sublet_quota.admission.slice_admission import Option
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Bound, LimitKind

_Part = tuple[str, NodeName, LimitKind, str | None]


@dataclass(slots=True)
class DueLimits:
    """What those before will have, by parts of groups' and persons' limits."""

    _due: dict[_Part, Fraction] = field(default_factory=dict)

    def take(self, question: Question, option: Option) -> None:
        """Count one who comes before."""
        for part, bound in _parts(question, option):
            self._due[part] = self._due.get(part, NO_CARD) + bound.asked

    def take_placed(self, question: Question, placement: Placement) -> None:
        """Count one whose turn has come."""
        for option in question.admission.options:
            if (option.group, option.asked.gpu_type) == (placement.group, placement.gpu_type):
                self.take(question, option)
                return

    def leave(self, question: Question, option: Option) -> bool:
        """Whether there is room for one beside those before."""
        return all(
            bound.room - self._due.get(part, NO_CARD) >= bound.asked
            for part, bound in _parts(question, option)
        )


def _parts(question: Question, option: Option) -> Iterator[tuple[_Part, Bound]]:
    world, rights = Without(question.holdings), question.admission.rights
    for bound in group_bounds(world, option.group, option.asked):
        yield ("", bound.node, bound.kind, bound.gpu_type), bound
    for bound in person_bounds(world, rights, option.asked):
        yield (rights.owner, bound.node, bound.kind, bound.gpu_type), bound
