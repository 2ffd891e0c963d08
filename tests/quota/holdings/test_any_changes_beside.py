"""Whatever changes while another document is reckoned out: all sums are those of adding up anew.

Slices and jobs come, go, grow, restart, are called back, are charged elsewhere, can be paused only;
cards come, close and go; budgets are over and are renewed; room is kept for reservations.
"""

import random
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.budgets.standing import Spent
from sublet_quota.document.lookups.group_budgets import budget_of
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, PoolName, SliceId, UserName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import SPENT

from tests.support.quota_cases import (
    H100,
    L4,
    NOON,
    a_reservation_of,
    document,
    give_grace,
    gpu,
    job_slice,
    notebook,
    part,
)
from tests.support.spent_budgets import over

GROUPS = ("lab", "vision", "text", "club", "guests")
OWNERS = ("ada", "bob", "eve")
KINDS = (H100, H100, H100, L4)


def any_document(drawn: random.Random) -> QuotaDocument:
    """Groups in groups, with guarantees, weights and budgets."""

    def rights() -> str:
        said = [f"weight: {drawn.randint(0, 3)}"]
        if drawn.random() < 0.6:
            said.append(f"guaranteed: {{H100: {drawn.choice(('1/2', '1', '3/2'))}}}")
        if drawn.random() < 0.5:
            said.append("budget: {hours: 9, each: {hours: 5}}")
        return ", ".join(said)

    vision, text, club, guests = (rights() for _ in range(4))
    lab = drawn.choice(("guaranteed: {H100: 4}, ", "guaranteed: {H100: 3, L4: 1}, "))
    lab += drawn.choice(("budget: {hours: 9, each: {hours: 5}}, ", ""))
    groups = [f"lab: {{{lab}groups: {{vision: {{{vision}}}, text: {{{text}}}}}}}"]
    groups += [f"{name}: {{{said}}}" for name, said in (("club", club), ("guests", guests))]
    expect = drawn.choice(("", ", expect: 2", ", expect: 5"))
    return document(
        f"gpu_types: {{H100: {{match: '*H100*'{expect}}}, L4: {{match: '*L4*'}}}}\n"
        f"shrink: {{grace: {drawn.choice(('0h', '6h'))}}}\n"
        f"groups: {{{', '.join(groups[: drawn.randint(1, 3)])}}}"
    )


def any_spent(drawn: random.Random, read: QuotaDocument) -> Spent:
    return Spent.of(
        over(read, name, owner)
        for name in read.all_groups
        if budget_of(read, GroupName(name)) is not None
        for owner in (None, *OWNERS)
        if drawn.random() < 0.25
    )


class Changing:
    """Holdings that change, and what the service was told of ranks."""

    def __init__(self, drawn: random.Random) -> None:
        self.drawn = drawn
        self.held = Holdings(
            any_document(drawn), [gpu(f"c{n}", KINDS[n], index=n) for n in range(4)]
        )
        self.told: dict[SliceId, Rank] = {}
        self.number = 0

    def one(self) -> Holding | None:
        there = sorted(self.held.slices(), key=lambda each: each.slice_id)
        return self.drawn.choice(there) if there else None

    def new(self) -> Holding:
        drawn, self.number = self.drawn, self.number + 1
        group = drawn.choice((None, *GROUPS))
        amount = part(drawn.choice((0.25, 0.5, 1)), L4)
        name, owner, card = f"s{self.number}", drawn.choice(OWNERS), f"c{drawn.randrange(5)}"
        if drawn.random() < 0.2:
            return job_slice(name, owner, amount, card, group=group, entitled=drawn.random() < 0.5)
        members = tuple(dict.fromkeys(each for each in (group, drawn.choice(GROUPS)) if each))
        return notebook(
            name, owner, amount, card, group=group, member_of=members, since=self.number,
            named=drawn.random() < 0.3, unsuspendable=drawn.random() < 0.1,
        )  # fmt: skip

    def change(self) -> None:
        drawn, held, one = self.drawn, self.held, self.one()
        what = drawn.randrange(12)
        if what < 3 or one is None:
            held.put(self.new())
        elif what == 3:
            held.remove(one.slice_id)
        elif what == 4 and one.is_notebook:
            self.number += 1
            held.put(replace(one, slice_id=SliceId(f"s{self.number}")), one.slice_id)
        elif what == 5:
            held.mark_called_back(one.slice_id, called_back=not one.called_back)
        elif what == 6:
            held.put(replace(one, group=drawn.choice((None, *map(GroupName, GROUPS)))))
        elif what == 7:
            held.put(replace(one, amount=part(drawn.choice((0.25, 0.5)), L4)))
        elif what == 8:
            held.spend(any_spent(drawn, held.document))
        elif what == 9:
            self.change_card()
        elif what == 10:
            give_grace(held, [one.slice_id], NOON + timedelta(hours=drawn.randint(0, 9)))
        else:
            held.mark_unsuspendable(one.slice_id, unsuspendable=not one.unsuspendable)
            held.kept_cards = {GpuId("c0"): a_reservation_of("lab")} if drawn.random() < 0.5 else {}

    def change_card(self) -> None:
        name = f"c{self.drawn.randrange(5)}"
        facts = self.held.gpu(GpuId(name))
        if facts is None:
            self.held.put_gpu(gpu(name, KINDS[int(name[1:]) % 4], index=int(name[1:])))
        elif self.drawn.random() < 0.2:
            self.held.remove_gpu(facts.gpu_id)
        else:
            self.held.put_gpu(replace(facts, closed=None if facts.closed else "XID 79"))

    def tell(self) -> None:
        """The service takes over what is new of ranks."""
        for slice_id in self.held.ranks_changed():
            self.told[slice_id] = self.held.rank(slice_id)
        there = {each.slice_id: self.held.rank(each.slice_id) for each in self.held.slices()}
        self.told = {name: rank for name, rank in self.told.items() if name in there}
        assert self.told == there


def all_of(held: Holdings) -> dict[str, object]:
    """All that is read of holdings, but for where guarantees lie: that has a history."""
    nodes, slices = held.groups.nodes, sorted(held.slices(), key=lambda each: each.slice_id)
    positions = {}
    for name in ("H100", "L4"):
        position = held.position(name)
        positions[name] = {
            node: (position.held[node], position.entitled[node], position.shares[node])
            for node in nodes
            if node
        }
    return {
        "slices": slices,
        "steps": dict(held.steps_in_force()),
        "lasting": dict(held.lasting_steps()),
        "held": {node: held.held(node) for node in nodes},
        "jobs": {node: held.jobs_held(node) for node in nodes},
        "filling": {node: held.jobs_filling(node, "H100") for node in nodes},
        "by": {
            who: (held.held_by(UserName(who)), held.jobs_held_by(UserName(who))) for who in OWNERS
        },
        "away": {name: dict(held.called_back_sums(name)) for name in ("H100", "L4")},
        "positions": positions,
        "in force": {name: held.tree(name) for name in ("H100", "L4")},
        "cards": {
            f"c{n}": (held.load(GpuId(f"c{n}")), held.room(GpuId(f"c{n}"))) for n in range(5)
        },
        "rooms": {
            kind.type: (dict(index.rooms), index.closed, list(index.by_room()))
            for kind, index in held.kinds_in(PoolName("interactive")).items()
        },
        "payers": {
            group: {each.slice_id for each in held.paid_by(group)}
            for group in (None, *map(GroupName, GROUPS))
        },
        "borrowed": {
            (name, node): {each.slice_id for each in held.borrowed_at(name, node)}
            for name in ("H100", "L4")
            for node in nodes
        },
        "rechargeable": [each.slice_id for each in held.rechargeable(map(GroupName, GROUPS))],
        "called back": {each.slice_id for each in held.called_back()},
        "spent": set(held.spent.over),
        "lent": held.lent(PoolName("interactive"), PoolName("interactive")),
    }


def anew(held: Holdings) -> Holdings:
    """The same, added up anew."""
    return Holdings.of(held.as_held())


def check(held: Holdings) -> None:
    found, expected = all_of(held), all_of(anew(held))
    for name, value in expected.items():
        assert found[name] == value, name
    # Each leaf's slices are found by it, whoever pays, and whose hours are over.
    for each in held.slices():
        piece = held.piece(each.slice_id)
        if each.is_notebook and piece is not None:
            assert piece.node == held.leaf_for(each.group, each.owner)
            assert piece.node != SPENT or not piece.entitled
    assert all(isinstance(cards, Fraction) for cards in (held.cards("H100"), held.cards("L4")))


SEEDS = (*range(30), 1426, 1485, 1534, 2028, 3249)
"""In the last ones a slice is charged elsewhere, or its hours are over for a time, in its grace."""


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_changes_meanwhile(seed: int) -> None:
    drawn = random.Random(seed)  # noqa: S311 - the same changes in each run
    world = Changing(drawn)
    for _ in range(drawn.randint(1, 4)):
        for _ in range(drawn.randint(2, 14)):
            world.change()
            if drawn.random() < 0.4:
                world.tell()
                check(world.held)
        frozen = world.held.as_held()
        now = NOON + timedelta(hours=drawn.randint(0, 12))
        other = any_document(drawn) if drawn.random() < 0.8 else world.held.document
        made = Holdings.made_under(frozen, other, now)
        for _ in range(drawn.randint(0, 8)):
            world.change()
            if drawn.random() < 0.3:
                world.tell()
        again = Holdings.made_under(frozen, other, now)
        assert all_of(again) == all_of(made)
        made.catch_up(world.held)
        assert made.kept_cards == world.held.kept_cards
        assert set(made.gpus_as_told()) == set(world.held.gpus_as_told())
        world.held = made
        world.tell()
        check(world.held)
        world.held.end_graces(now)
        world.tell()
        check(world.held)
