"""Any small hub: a tree of groups, cards, and people who ask, stop, and become unsuspendable."""

from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.holdings.gpu_load import GpuFacts

from tests.support.admission_cases import SmallHub
from tests.support.quota_cases import H100, L4, gpu

SIZES = ("quarter", "third", "half", "most", "whole")
HEAD = """
gpu_types:
  H100: {match: "*H100*"}
  L4: {match: "*L4*"}
sizes:
  - {name: quarter, memory: 1/4, compute: 1/4}
  - {name: third, memory: 1/3, compute: 100m}
  - {name: half, memory: 1/10, compute: 1/2}
  - {name: most, memory: 3/5, compute: 3/5}
  - {name: whole, memory: 1, compute: 1}
everyone: {limit: {slices: unlimited}, own_amounts: true}
"""


@dataclass(frozen=True)
class Group:
    """A group of a random document."""

    name: str
    guaranteed: Fraction
    weight: int
    limit: str
    inside: tuple["Group", ...] = ()

    def text(self, indent: str, order: int = 1) -> str:
        said = [f"{indent}{self.name}:", f"{indent}  weight: {self.weight}"]
        if self.guaranteed:
            said.append(f"{indent}  guaranteed: {{H100: '{self.guaranteed}'}}")
        if self.limit:
            said.append(f"{indent}  limit: {{{self.limit}}}")
        if self.inside:
            said.append(f"{indent}  groups:")
            said.extend(one.text(indent + "    ", order) for one in self.inside[::order])
        return "\n".join(said)

    def names(self) -> list[str]:
        return [self.name, *(name for one in self.inside for name in one.names())]


@dataclass(frozen=True)
class AnyHub:
    """What a random hub is made of."""

    groups: tuple[Group, ...]
    cards: tuple[GpuFacts, ...]
    overcommit: str
    steps: tuple["Step", ...] = ()

    def text(self, order: int = 1) -> str:
        pools = f"pools: [{{name: interactive, {self.overcommit}}}]\n"
        told = "\n".join(group.text("  ", order) for group in self.groups[::order])
        return HEAD + pools + (f"groups:\n{told}\n" if told else "")

    def made(self, order: int = 1) -> SmallHub:
        return SmallHub.under(self.text(order), *self.cards)


@dataclass(frozen=True)
class Step:
    """Somebody asks, or of those who hold something one stops, or can be paused only.

    ``who`` asks: each time somebody else where it is 0.
    """

    what: str
    who: int = 0
    groups: tuple[str, ...] = ()
    wish: dict[str, object] = field(default_factory=dict)

    def asked(self, number: int) -> RequestedSlice:
        owner = f"user{self.who or number}"
        return RequestedSlice(owner, self.groups, **self.wish)  # type: ignore[arg-type]


QUARTERS = [Fraction(number, 4) for number in range(9)]
LIMITS = ("", "", "", "H100: 2", "cards: 3", "memory: 100 GiB", "slices: 2")
ABOVE_GUARANTEES = ("", "H100", "cards")
"""What is limited of groups that are guaranteed something; it can be no less than that."""
FACTORS = (
    "memory_overcommit: 2",
    "memory_overcommit: 1, compute_overcommit: 1",
    "memory_overcommit: 1.5, compute_overcommit: 2",
)


@st.composite
def any_group(draw: st.DrawFn, name: str, depth: int) -> Group:
    inside: tuple[Group, ...] = ()
    if depth:
        count = draw(st.integers(0, 2))
        inside = tuple(draw(any_group(f"{name}{letter}", depth - 1)) for letter in "xy"[:count])
    own = draw(st.sampled_from([Fraction(0), *QUARTERS]))
    guaranteed = sum((one.guaranteed for one in inside), own)
    limit = draw(st.sampled_from(LIMITS)) if not guaranteed else ""
    if guaranteed and (limited := draw(st.sampled_from(ABOVE_GUARANTEES))):
        limit = f"{limited}: '{guaranteed + draw(st.sampled_from(QUARTERS))}'"
    return Group(name, guaranteed, draw(st.sampled_from((0, 1, 1, 2, 3))), limit, inside)


@st.composite
def any_hub(
    draw: st.DrawFn,
    most_steps: int = 24,
    *,
    unsuspendable: bool = False,
    owners: int = 0,
    kinds: tuple[str, ...] = ("ask", "ask", "ask", "stop"),
) -> AnyHub:
    groups = tuple(draw(any_group(letter, 1)) for letter in "abc"[: draw(st.integers(1, 3))])
    count = draw(st.integers(1, 3))
    cards = tuple(
        gpu(f"card{n}", H100 if n < 2 or draw(st.booleans()) else L4, f"node{n % 2}", n)
        for n in range(count)
    )
    names = [name for group in groups for name in group.names()]
    what = (*kinds, "fix") if unsuspendable else kinds
    steps = tuple(
        draw(any_step(names, what, owners))
        for _ in range(draw(st.integers(most_steps // 3, most_steps)))
    )
    return AnyHub(groups, cards, draw(st.sampled_from(FACTORS)), steps)


@st.composite
def any_step(draw: st.DrawFn, names: list[str], kinds: tuple[str, ...], owners: int) -> Step:
    what = draw(st.sampled_from(kinds))
    if what != "ask":
        return Step(what, draw(st.integers(0, 99)))
    groups = tuple(draw(st.lists(st.sampled_from(names), max_size=2, unique=True)))
    wish: dict[str, object] = {"size": draw(st.sampled_from(SIZES))}
    if groups and draw(st.integers(0, 3)) == 0:
        wish["group"] = groups[0]
    if draw(st.integers(0, 9)) == 0:
        wish["never_suspended"] = True
    if draw(st.integers(0, 4)) == 0:
        del wish["size"]
        wish |= {
            "memory_mib": draw(st.integers(1, 80_896)),
            "compute_milli": draw(st.integers(1, 1000)),
        }
    who = draw(st.integers(1, owners)) if owners else 0
    return Step("ask", who, groups, wish)
