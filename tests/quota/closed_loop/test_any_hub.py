"""Attack: any document, thousands of events, and the rules at each step."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.asks.asked import Asked
from sublet_quota.closed_loop.asks.draws import Draws
from sublet_quota.closed_loop.cluster import Scenario
from sublet_quota.closed_loop.figures import figures_of
from sublet_quota.closed_loop.people import Habits, Person, days_of

from tests.support.loop_cases import HOUR, L4, MINUTE, MONDAY, a_server, cards, scene
from tests.support.loop_rules import watched

PARTS = tuple(map(Fraction, ("1/8", "1/4", "1/3", "1/2", "2/3", "1")))
LASTS = timedelta(days=2)


class AnyHub:
    """A hub drawn from a seed: cards, groups, people of all habits, and documents to come."""

    def __init__(self, seed: int) -> None:
        self.drawn = Draws(seed, "hub")
        self.seed = seed
        self.cards = 1 + self.drawn.below(4)
        self.names: list[str] = []

    def scenario(self) -> Scenario:
        """All of it, with two other documents while it runs."""
        first = self._document()
        changes = [(timedelta(hours=at), self._document()) for at in (13, 34)]
        on = (*cards(self.cards), *cards(self.drawn.below(3), L4))
        return scene(first, self._asked(), LASTS, on=on, changes=changes)

    def _document(self) -> str:
        drawn, left, groups, free = self.drawn, Fraction(self.cards), [], ""
        self.names = self.names or [f"g{n}" for n in range(2 + drawn.below(3))]
        for name in self.names:
            due = min(left, Fraction(drawn.below(5), 2))
            left -= due
            said = [f"guaranteed: {{H100: {float(due)}}}", f"weight: {drawn.below(4)}"]
            if not drawn.chance(0.3):
                free = name
            else:
                said.append(f"limit: {{H100: {float(due) + drawn.below(3)}}}")
            if drawn.chance(0.3):
                end = ("soft-landing", "no-new")[drawn.below(2)]
                hours = 20 + drawn.below(200)
                each = f"each: {{hours: {5 + drawn.below(40)}}}"
                said.append(f"budget: {{hours: {hours}, per: day, at_end: {end}, {each}}}")
            if drawn.chance(0.3):
                said.append(f"each: {{max_idle: {1 + drawn.below(4)}h}}")
            if drawn.chance(0.3):
                inside = float(due / 2)
                said.append(f"groups: {{{name}-in: {{guaranteed: {{H100: {inside}}}}}}}")
            groups.append(f"{name}: {{{', '.join(said)}}}")
        factor, idle = ("1", "1.5", "2")[drawn.below(3)], 5 + drawn.below(20)
        factors = f"memory_overcommit: {factor}, compute_overcommit: {factor}"
        pool = f"{{name: one, {factors}, default: true, idle_after: {idle}m}}"
        grace = f"shrink: {{grace: {1 + drawn.below(6)}h}}"
        said = f"pools: [{pool}]\n{grace}\ngroups: {{{', '.join(groups)}}}"
        if drawn.chance(0.5):
            said += "\nnotebooks: {when_full: queue, wait_most: 4h}"
        if drawn.chance(0.4) and left > 0 and free:
            hour = 10 + drawn.below(6)
            at = f"at: 'Mon,Tue {hour}:00-{hour + 2}:00', until: 2026-12-31"
            due = f"guaranteed: {{H100: {float(left)}}}"
            said += f"\nreservations: [{{name: lab, for: {free}, {due}, {at}}}]"
        return said

    def _asked(self) -> tuple[Asked, ...]:
        people = [self._person(n) for n in range(4 + self.drawn.below(9))]
        stuck = [
            a_server(f"stuck{n}", self._groups(), "1/4", never_suspended=True, cells=9, works=HOUR)
            for n in range(self.drawn.below(3))
        ]
        return (*days_of(people, MONDAY, MONDAY + LASTS, self.seed), *stuck)

    def _person(self, number: int) -> Person:
        drawn = self.drawn
        habits = Habits(
            comes=(timedelta(hours=7), timedelta(hours=15)),
            comes_today=1,
            cards=PARTS[drawn.below(len(PARTS))],
            fills=PARTS[drawn.below(len(PARTS))],
            thinks=(1 + drawn.below(30)) * MINUTE,
            works=(1 + drawn.below(10)) * MINUTE,
            jobs_a_day=drawn.below(5),
            job_cards=PARTS[drawn.below(len(PARTS))],
            patience=drawn.below(5) * HOUR,
        )
        return Person(f"p{number}", tuple(self._groups().split()), habits)

    def _groups(self) -> str:
        drawn = self.drawn
        some = [name for name in (*self.names, "g0-in", "g1-in") if drawn.chance(0.4)]
        return " ".join(some)


@pytest.mark.parametrize("seed", range(8))
def test_on_any_hub_no_notebook_ends_and_nobody_entitled_is_displaced(seed: int) -> None:
    hub = AnyHub(seed)
    record = watched(hub.scenario())
    assert figures_of(record).servers_granted > 0
