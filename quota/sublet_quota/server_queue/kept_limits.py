"""What is kept below limits of groups for those in line, so that small ones never starve a large.

The first that finds a limit full keeps what comes free there, as the first that finds no room keeps
a card: whoever comes later, and counts there, is let in only beside it. So does the one for which a
card is kept, by all limits of who pays for it. Limits of persons hold up nobody else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from sublet_quota.admission.met_limits import Without, group_bounds
from sublet_quota.admission.slice_admission import Option
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Bound, LimitKind

_Part = tuple[NodeName, LimitKind, str | None]


@dataclass(slots=True)
class KeptLimits:
    """What those before keep, by parts of limits."""

    _kept: dict[_Part, Fraction] = field(default_factory=dict)

    def keep_full(self, question: Question) -> None:
        """Keep what comes free below a limit that alone refuses a wish."""
        for option in question.admission.beyond_groups:
            bounds = _bounds(question.holdings, option)
            if all(bound.asked <= bound.limit for bound in bounds):
                full = (each for each in bounds if not each.allows)
                self._add([each for each in full if _part(each) not in self._kept])
                return

    def keep_beside_card(self, question: Question, gpu_type: str) -> None:
        """Keep room below all limits for a wish for which a card of a type is kept."""
        for option in question.admission.options:
            if option.asked.gpu_type == gpu_type:
                self._add(_bounds(question.holdings, option))
                return

    def meets(self, question: Question, placement: Placement) -> bool:
        """Whether a place takes what is kept for those before."""
        if not self._kept:
            return False
        admission = question.admission
        return any(
            self.in_the_way(question, option) is not None
            for option in (*admission.options, *admission.beyond_groups)
            if option.group == placement.group
            and option.asked.gpu_type == placement.gpu_type
            and option.asked.amount == placement.amount
        )

    def beside(self, question: Question) -> Question:
        """Return a question that is answered without what is kept, and with nothing seen of it."""
        admission = question.admission
        if not self._kept:
            return question
        left, left_beyond = (
            tuple(one for one in options if self.in_the_way(question, one) is None)
            for options in (admission.options, admission.beyond_groups)
        )
        restricted = replace(admission, options=left, beyond_groups=left_beyond)
        seen = replace(question.seen, admissions={question.wish: restricted}, answers={})
        return replace(question, seen=seen)

    def in_the_way(self, question: Question, option: Option) -> Bound | None:
        """Return a limit with room that is kept from an option for those before, or ``None``."""
        for bound in _bounds(question.holdings, option):
            kept = self._kept.get(_part(bound))
            if kept is not None and bound.room - kept < bound.asked:
                return bound
        return None

    def _add(self, bounds: Iterable[Bound]) -> None:
        for bound in bounds:
            part = _part(bound)
            self._kept[part] = self._kept.get(part, NO_CARD) + bound.asked


def _part(bound: Bound) -> _Part:
    return bound.node, bound.kind, bound.gpu_type


def _bounds(holdings: Holdings, option: Option) -> tuple[Bound, ...]:
    return group_bounds(Without(holdings), option.group, option.asked)
