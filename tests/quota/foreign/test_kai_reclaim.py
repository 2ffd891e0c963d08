"""KAI-Scheduler's decisions on reclaiming, asked of ours: a resource as a GPU type.

Where a case asks of one queue alone, a neighbour stands for the other side: one that is guaranteed
enough, or one that only borrows. Queues hold pieces of one unit, the first of them the oldest.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction

import pytest
from sublet_quota.shares.entitlement import Piece, PieceId, entitle
from sublet_quota.shares.group_tree import ROOT, GroupNode, GroupTree, NodeName
from sublet_quota.shares.reclaim import Position, Request, Taken, take

from tests.quota.foreign.foreign_cases import Case, NotSayableError, cases_of, compare, exact

FILE = "kai_reclaimable.yaml"
RESOURCES = ("gpu", "cpu", "memory")
LARGE_UNIT = 10485760
"""Memory is told in multiples of this many bytes where it is told in bytes."""
PLENTY = Fraction(10**6)
ONE = Fraction(1)
NOTHING = {"deserved": 0, "fair_share": 0, "max_allowed": 0, "allocated": 0}


def unit(resource: str, value: float | str) -> Fraction:
    if value == "unlimited":
        raise NotSayableError
    amount = exact(value)
    return amount / LARGE_UNIT if resource == "memory" and amount > LARGE_UNIT else amount


def pieces(node: str, amount: Fraction) -> list[Piece]:
    """Pieces of one unit, and the rest."""
    sizes = [ONE] * int(amount) + [amount % 1] * bool(amount % 1)
    return [Piece(PieceId(f"{node}{n}"), NodeName(node), size) for n, size in enumerate(sizes)]


def flat(**guaranteed: Fraction) -> GroupTree:
    groups = tuple(
        GroupNode(NodeName(name), guaranteed=amount) for name, amount in guaranteed.items()
    )
    return GroupTree(GroupNode(ROOT, guaranteed=sum(guaranteed.values()), children=groups))


def taken(
    tree: GroupTree,
    shares: Mapping[str, Fraction],
    held: Iterable[Piece],
    request: Request,
    need: Fraction,
) -> set[str] | None:
    """Who of all that is held makes way."""
    on = entitle(tree, tuple(held))
    of_nodes = {NodeName(name): share for name, share in shares.items()}
    answer = take(Position.of(tree, of_nodes, on), request, need, reversed(on))
    return {one.piece_id for one in answer.pieces} if isinstance(answer, Taken) else None


def gives_to_the_guaranteed(resource: str, giver: Case, holds: Fraction) -> bool:
    tree = flat(taker=PLENTY, giver=unit(resource, giver["deserved"]))
    shares = {"taker": PLENTY, "giver": PLENTY}
    asked = Request(NodeName("taker"), ONE)
    return taken(tree, shares, pieces("giver", holds), asked, min(ONE, holds)) not in (None, set())


def gives_to_those_in_their_share(resource: str, giver: Case, holds: Fraction) -> bool:
    guaranteed, share = (unit(resource, giver[each]) for each in ("deserved", "fair_share"))
    share = max(guaranteed, share)
    if giver["max_allowed"] != "unlimited":
        limit = unit(resource, giver["max_allowed"])
        guaranteed, share = min(guaranteed, limit), min(share, limit)
    tree = flat(taker=Fraction(0), giver=guaranteed)
    shares = {"taker": PLENTY, "giver": share}
    asked = Request(NodeName("taker"), ONE)
    return taken(tree, shares, pieces("giver", holds), asked, min(ONE, holds)) not in (None, set())


def may_take(
    resource: str, taker: Case, asks: Fraction, share: Fraction, *, suspendable: bool = True
) -> bool:
    """Whether a queue may take from a neighbour who only borrows."""
    fixed = unit(resource, taker.get("allocated_not_preemptible", 0))
    others = unit(resource, taker["allocated"]) - fixed
    tree = flat(taker=unit(resource, taker["deserved"]), borrower=Fraction(0))
    held = [*pieces("taker", fixed), *pieces("taker", others)]
    held = [
        Piece(PieceId(f"t{n}"), NodeName("taker"), one.cards, suspendable=False)
        for n, one in enumerate(held)
    ]
    asked = Request(NodeName("taker"), asks, suspendable)
    shares = {"taker": share, "borrower": Fraction(0)}
    return taken(tree, shares, [*held, *pieces("borrower", asks)], asked, asks) is not None


def fits_its_guarantee(case: Case) -> bool:
    return all(
        may_take(resource, case["taker"][resource], exact(asks), Fraction(0))
        for resource, asks in case["request"].items()
        if asks
    )


def exceeds_its_guarantee(case: Case, holds: Mapping[str, float]) -> bool:
    return any(
        gives_to_the_guaranteed(
            resource, case["giver"].get(resource, NOTHING), unit(resource, amount)
        )
        for resource, amount in holds.items()
        if amount
    )


def compare_with(case: Case, *, found: bool) -> bool:
    return found == case["expect"]


@pytest.mark.parametrize("case", cases_of(FILE, "taker_fits_deserved_cases"))
def test_who_takes_within_the_guarantee(case: Case) -> None:
    compare(case["id"], lambda: compare_with(case, found=fits_its_guarantee(case)))


@pytest.mark.parametrize("case", cases_of(FILE, "giver_exceeds_deserved_cases"))
def test_who_gives_what_is_beyond_the_guarantee(case: Case) -> None:
    def found() -> bool:
        return exceeds_its_guarantee(case, case["remaining"])

    compare(case["id"], lambda: compare_with(case, found=found()))


@pytest.mark.parametrize("case", cases_of(FILE, "guarantee_deserved_cases"))
def test_the_guaranteed_take_from_borrowers(case: Case) -> None:
    def found() -> bool:
        return fits_its_guarantee(case) and exceeds_its_guarantee(case, case["remaining"])

    compare(case["id"], lambda: compare_with(case, found=found()))


@pytest.mark.parametrize("case", cases_of(FILE, "deserved_candidate_cases"))
def test_who_is_looked_at_for_the_guaranteed(case: Case) -> None:
    def found() -> bool:
        holds = {
            resource: case["giver"][resource]["allocated"]
            for resource, asks in case["request"].items()
            if asks
        }
        return exceeds_its_guarantee(case, holds)

    compare(case["id"], lambda: compare_with(case, found=found()))


@pytest.mark.parametrize("case", cases_of(FILE, "maintain_fair_share_cases"))
def test_who_gives_what_is_beyond_the_share(case: Case) -> None:
    def found() -> bool:
        return any(
            gives_to_those_in_their_share(resource, giver, unit(resource, amount))
            for resource, amount in case["remaining"].items()
            if amount and (giver := case["giver"].get(resource))
        )

    compare(case["id"], lambda: compare_with(case, found=found()))


@pytest.mark.parametrize("case", cases_of(FILE, "can_reclaim_cases"))
def test_who_may_take_at_all(case: Case) -> None:
    reclaimer = case["reclaimer"]
    queue = case["queues"][reclaimer["queue"]] if case else {}

    def found() -> bool:
        return all(
            may_take(
                resource,
                queue[resource],
                exact(asks),
                unit(resource, queue[resource]["fair_share"]),
                suspendable=reclaimer["preemptible"],
            )
            for resource, asks in reclaimer["request"].items()
            if asks
        )

    compare(case["id"], lambda: compare_with(case, found=found()))


def tree_of(queues: Mapping[str, Case], resource: str) -> GroupTree:
    """The queues as groups; a parent is guaranteed at least what its children are."""

    def node(name: str, of: Case) -> GroupNode:
        children = tuple(node(n, q) for n, q in queues.items() if q["parent"] == name)
        promised = sum((child.guaranteed for child in children), Fraction(0))
        own = unit(resource, of.get(resource, NOTHING)["deserved"])
        return GroupNode(NodeName(name), guaranteed=max(own, promised), children=children)

    top = tuple(node(n, q) for n, q in queues.items() if q["parent"] is None)
    promised = sum((group.guaranteed for group in top), Fraction(0))
    return GroupTree(GroupNode(ROOT, guaranteed=promised, children=top))


def asked_with(case: Case, victims: list[Piece], need: Fraction) -> set[str] | None:
    """Who makes way in the tree of a case, ``victims`` alone being asked."""
    reclaimer = case["reclaimer"]
    tree = tree_of(case["queues"], "gpu")
    given = tree.sums({})
    for one in victims:
        given[one.node] += one.cards
    held = [
        Piece(one.piece_id, one.node, one.cards, suspendable=False)
        for name in tree.leaves()
        for one in pieces(name, exact(case["queues"][name]["gpu"]["allocated"]) - given[name])
    ]
    shares = {
        name: unit("gpu", queue["gpu"]["fair_share"]) for name, queue in case["queues"].items()
    }
    asked = Request(
        NodeName(reclaimer["queue"]), exact(reclaimer["request"]["gpu"]), reclaimer["preemptible"]
    )
    return taken(tree, shares, [*held, *victims], asked, need)


@pytest.mark.parametrize("case", cases_of(FILE, "victim_filter_cases"))
def test_whose_jobs_are_looked_at(case: Case) -> None:
    def found() -> bool:
        name = case["victim_queue"]
        victims = pieces(name, exact(case["queues"][name]["gpu"]["allocated"]))
        return asked_with(case, victims, ONE) is not None

    compare(case["id"], lambda: compare_with(case, found=found()))


@pytest.mark.parametrize("case", cases_of(FILE, "reclaimable_cases"))
def test_who_makes_way_together(case: Case) -> None:
    def found() -> bool:
        victims = [
            Piece(PieceId(f"victim{n}"), NodeName(one["queue"]), exact(one["gpu"]))
            for n, one in enumerate(case["victims"])
        ]
        need = exact(case["reclaimer"]["request"]["gpu"])
        return asked_with(case, victims, need) == {one.piece_id for one in victims}

    compare(case["id"], lambda: compare_with(case, found=found()))
