"""Where guarantees lie: whole cards and one rest, siblings together, and nothing moves in vain."""

from collections.abc import Mapping
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.holdings.layout.laying_out import lay_out
from sublet_quota.holdings.layout.layout import Layout
from sublet_quota.holdings.layout.packing import Cards
from sublet_quota.names.ids import GpuId
from sublet_quota.shares.group_tree import GroupNode, GroupTree, NodeName
from sublet_quota.shares.in_force import guarantees_in_force

from tests.quota.shares.trees import any_tree, group, tree

LAB = group("lab", group("nlp", guaranteed="3/2"), group("cv", guaranteed="1/2"), guaranteed=3)


def cards(count: int, homes: Mapping[str, Mapping[str, int]] | None = None, blocked=()) -> Cards:
    return Cards(
        {GpuId(f"c{number}"): number for number in range(count)},
        lambda gpu_id, node, *_: (gpu_id, node) in blocked,
        {
            NodeName(name): {GpuId(gpu_id): amount for gpu_id, amount in here.items()}
            for name, here in (homes or {}).items()
        },
    )


def told(layout: Layout) -> str:
    """The parts of each card, in order of the cards."""
    return "; ".join(
        f"{gpu_id}: " + " ".join(f"{node}={size}" for node, size in layout.parts[gpu_id])
        for gpu_id in sorted(layout.parts)
    )


def test_a_group_has_whole_cards_and_one_rest() -> None:
    laid = lay_out(tree(group("a", guaranteed="5/2")), None, cards(3))
    assert told(laid) == "c0: a=1; c1: a=1; c2: a=1/2"


def test_rests_of_siblings_lie_together() -> None:
    apart = [group(name, guaranteed="1/2") for name in "vwxyz"]
    laid = lay_out(tree(LAB, *apart[:3]), None, cards(5))
    together = [{part.node for part in here} for here in laid.parts.values()]
    assert {"nlp", "cv"} in together


def test_what_a_group_keeps_for_all_in_it_lies_in_pieces_where_it_must() -> None:
    below = [group("a", guaranteed="3/4"), group("b", guaranteed="3/4")]
    laid = lay_out(tree(group("p", *below, guaranteed=2)), None, cards(2))
    assert sorted(sorted(map(str, sizes)) for sizes in sizes_by_card(laid)) == [["1/4", "3/4"]] * 2
    assert laid.problems == ()


def test_rests_that_do_not_pack_are_told_with_their_size() -> None:
    rests = [group(name, guaranteed="2/3") for name in "abc"]
    laid = lay_out(tree(*rests), None, cards(2))
    assert [size for _, size in laid.problems] == [Fraction(2, 3)]


def test_a_guarantee_lies_first_where_the_groups_entitled_slices_lie() -> None:
    laid = lay_out(tree(group("a", guaranteed="3/2")), None, cards(4, {"a": {"c3": 2, "c1": 1}}))
    assert told(laid) == "c1: a=1/2; c3: a=1"


def test_what_cannot_make_way_of_others_is_avoided() -> None:
    laid = lay_out(tree(group("a", guaranteed=1)), None, cards(2, blocked={("c0", "a")}))
    assert told(laid) == "c1: a=1"


def test_where_nothing_else_is_left_a_guarantee_lies_beside_what_cannot_make_way() -> None:
    blocked = cards(1, blocked={("c0", "a")})
    laid = lay_out(tree(group("a", guaranteed=1)), None, blocked)
    assert told(laid) == "c0: a=1"
    assert told(lay_out(tree(group("a", guaranteed=1)), laid, blocked)) == "c0: a=1"


def test_a_part_leaves_a_card_that_closes() -> None:
    laid = lay_out(tree(group("a", guaranteed=1), group("b", guaranteed=1)), None, cards(3))
    gone = laid.usable_by(NodeName("a"))[0]
    kept = laid.usable_by(NodeName("b"))
    order = {gpu_id: place for gpu_id, place in cards(3).order.items() if gpu_id != gone}
    moved = lay_out(laid.tree, laid, Cards(order, lambda *_: False, {}))
    assert moved.usable_by(NodeName("b")) == kept
    assert gone not in moved.parts
    assert moved.problems == ()


def test_one_more_whole_card_moves_only_the_rest_that_is_in_its_way() -> None:
    small = [group(name, guaranteed="1/4") for name in ("a", "b")]
    alone = lay_out(tree(small[0]), None, cards(2))
    apart = lay_out(tree(*small), alone, cards(2, {"b": {"c1": 1}}))
    assert told(apart) == "c0: a=1/4; c1: b=1/4"
    laid = lay_out(tree(*small, group("c", guaranteed=1)), apart, cards(2))
    assert laid.problems == ()
    assert sum(moves(apart, laid).values()) == 1


def test_a_leaf_is_due_its_own_cards_and_then_those_of_the_groups_above() -> None:
    laid = lay_out(tree(LAB), None, cards(3))
    assert [laid.part_for(one, NodeName("nlp")) for one in laid.usable_by(NodeName("nlp"))] == [
        Fraction(1),
        Fraction(1, 2),
        Fraction(1),
    ]
    assert len(laid.of_node(NodeName("lab"))) == 3


def sizes_by_card(laid: Layout) -> list[list[Fraction]]:
    return [[part.cards for part in here] for here in laid.parts.values()]


def moves(before: Layout, after: Layout) -> dict[str, Fraction]:
    """What of each node lies elsewhere now, of what it still has."""
    moved = {}
    for name in after.tree.paths:
        old = {
            gpu_id: size
            for gpu_id, here in before.parts.items()
            for node, size in here
            if node == name
        }
        new = {
            gpu_id: size
            for gpu_id, here in after.parts.items()
            for node, size in here
            if node == name
        }
        left = [gpu_id for gpu_id in old if gpu_id not in new]
        if left and sum(new.values()) >= sum(old.values()):
            moved[name] = len(left)
    return moved


def wanted(of: GroupTree) -> dict[NodeName, Fraction]:
    return {
        name: node.guaranteed - sum((child.guaranteed for child in node.children), Fraction(0))
        for name, node in of.nodes.items()
        if name
    }


def first_fit_decreasing(of: GroupTree, count: int) -> bool:
    """Whether whole cards and rests of leaves pack on so many cards, one after the other."""
    own = wanted(of)
    room = [Fraction(1)] * (count - sum(int(size) for size in own.values()))
    for name, size in sorted(own.items(), key=lambda one: -(one[1] % 1)):
        if of.nodes[name].children or not size % 1:
            continue
        place = min((r for r in room if r >= size % 1), default=None)
        if place is None:
            return False
        room[room.index(place)] -= size % 1
    return True


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_under_any_changes_parts_fit_and_nothing_moves_in_vain(data) -> None:
    laid = None
    count = data.draw(st.integers(1, 12))
    for _ in range(data.draw(st.integers(1, 4))):
        made = data.draw(any_tree())
        turns = {name: (0, place) for place, name in enumerate(made.nodes)}
        of, _ = guarantees_in_force(made, Fraction(count), turns)
        names = data.draw(st.sets(st.integers(0, 14), min_size=count, max_size=count))
        there = Cards({GpuId(f"c{n}"): n for n in sorted(names)}, lambda *_: False, {})
        laid = lay_out(of, laid, there)
        assert all(sum(sizes) <= 1 for sizes in sizes_by_card(laid))
        assert laid.parts.keys() <= there.order.keys()
        lacking = dict(laid.problems)
        lying: dict[NodeName, Fraction] = {}
        for here in laid.parts.values():
            for node, size in here:
                lying[node] = lying.get(node, Fraction(0)) + size
        for name, size in wanted(of).items():
            assert lying.get(name, 0) + lacking.get(name, 0) == size
        if first_fit_decreasing(of, count):
            assert not laid.problems
        again = lay_out(of, laid, there)
        assert (again.parts, again.problems) == (laid.parts, laid.problems)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_one_more_card_for_one_group_moves_nothing_where_there_is_a_free_one(data) -> None:
    of = data.draw(any_tree(depth=1))
    laid = lay_out(of, None, cards(40))
    name = data.draw(st.sampled_from([node.name for node in of.root.children if node.name != "/"]))
    more = GroupTree(
        GroupNode(
            of.root.name,
            guaranteed=of.root.guaranteed + 1,
            children=tuple(
                GroupNode(
                    one.name, one.weight, one.guaranteed + (one.name == name), None, one.children
                )
                for one in of.root.children
            ),
        )
    )
    assert moves(laid, lay_out(more, laid, cards(40))) == {}
