"""The room of entitled slices where their guarantee is laid out, whatever others hold there."""

from dataclasses import replace
from math import ceil

from sublet_quota.amounts.gpu_amounts import NOTHING, WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.document.sections import Pool
from sublet_quota.holdings.gpu_load import GpuFacts, GpuLoad, Holding, room_on
from sublet_quota.holdings.layout.layout import Layout
from sublet_quota.shares.cards import WHOLE_CARD
from sublet_quota.shares.entitlement import Piece, is_entitled_against
from sublet_quota.shares.group_tree import NodeName

Held = tuple[Holding, Piece]
"""A notebook's slice, and what it is entitled to."""


def entitled_room(
    facts: GpuFacts, pool: Pool, layout: Layout, leaf: NodeName, here: tuple[Held, ...]
) -> GpuAmount:
    """Return what one more entitled slice of a leaf may have on a card.

    ``here`` are the notebooks' slices on it. On a whole card entitled slices of the group
    overcommit each other, as the pool lets them; a part of a card is never overcommitted. In the
    way is what others hold for good beyond their own parts, and what of theirs is entitled there
    beyond them: against this leaf, one step below what is above both.
    """
    part = layout.part_for(facts.gpu_id, leaf)
    if not part or facts.closed is not None or facts.pause_only:
        return NOTHING
    path = layout.tree.paths[leaf]
    parts = {one.node for one in layout.on(facts.gpu_id)}
    mine = parts & set(path)
    own = tuple(one for one in here if _is_within(layout, one, mine))
    others = tuple(one for one in here if one not in own)
    if part == WHOLE_CARD:
        return room_on(facts, _load(layout, leaf, own, others), pool).free(shared=True)
    usable = facts.kind.usable_mib
    held = _used(facts, layout, mine, own)
    in_the_way = _beside(facts, layout, leaf, mine, others)
    memory_mib = min(int(part * usable), usable - in_the_way.memory_mib) - held.memory_mib
    left_milli = WHOLE_GPU_MILLI - in_the_way.compute_milli
    compute_milli = min(int(part * WHOLE_GPU_MILLI), left_milli) - held.compute_milli
    return GpuAmount(max(0, memory_mib), max(0, compute_milli))


def _is_within(layout: Layout, one: Held, nodes: set[NodeName]) -> bool:
    """Whether a slice is entitled through the guarantee of one of these groups."""
    _, piece = one
    return not nodes.isdisjoint(layout.tree.paths[piece.node][: piece.entitled])


def _used(facts: GpuFacts, layout: Layout, mine: set[NodeName], own: tuple[Held, ...]) -> GpuAmount:
    """Return what entitled slices use of the parts that are ``mine``: theirs beyond other parts.

    A slice of a child lies in the child's part first, and then in what its parent keeps.
    """
    used, left = _sum(own), own
    others = [part for part in layout.on(facts.gpu_id) if part.node not in mine]
    for node, cards in sorted(others, key=lambda part: -len(layout.tree.paths[part.node])):
        inside = tuple(one for one in left if _is_within(layout, one, {node}))
        left = tuple(one for one in left if one not in inside)
        theirs = GpuAmount(int(cards * facts.kind.usable_mib), int(cards * WHOLE_GPU_MILLI))
        used -= _sum(inside).lesser(theirs)
    return used


def _load(
    layout: Layout, leaf: NodeName, own: tuple[Held, ...], others: tuple[Held, ...]
) -> GpuLoad:
    load = GpuLoad()
    for holding, _ in own:
        load = load.plus(replace(holding, called_back=False))
    for holding, piece in others:
        if is_entitled_against(layout.tree, piece, leaf):
            load = load.plus(replace(holding, called_back=False))
        elif holding.unsuspendable:
            stands_still = GpuAmount(holding.amount.memory_mib, 0)
            load = load.plus(replace(holding, amount=stands_still, called_back=False))
    return load


def _beside(
    facts: GpuFacts,
    layout: Layout,
    leaf: NodeName,
    mine: set[NodeName],
    others: tuple[Held, ...],
) -> GpuAmount:
    """Return what others' parts take of a card, and what does not make way beyond them.

    What a child has beyond its part lies in what its parent keeps, and only then beyond both.
    """
    paths = layout.tree.paths
    taken = NOTHING
    beyond = [(paths[one[1].node], _stays(layout, leaf, one)) for one in others]
    parts = [part for part in layout.on(facts.gpu_id) if part.node not in mine]
    for node, cards in sorted(parts, key=lambda part: -len(paths[part.node])):
        part = GpuAmount(int(cards * facts.kind.usable_mib), int(cards * WHOLE_GPU_MILLI))
        inside = sum((amount for path, amount in beyond if node in path), NOTHING)
        beyond = [(path, amount) for path, amount in beyond if node not in path]
        further = GpuAmount(
            max(0, inside.memory_mib - ceil(cards * facts.kind.usable_mib)),
            max(0, inside.compute_milli - ceil(cards * WHOLE_GPU_MILLI)),
        )
        beyond.append((paths[node][:-1], further))
        taken += part
    return taken + sum((amount for _, amount in beyond), NOTHING)


def _stays(layout: Layout, leaf: NodeName, one: Held) -> GpuAmount:
    """Return what of a slice does not make way: what is entitled, and memory that cannot leave."""
    holding, piece = one
    if is_entitled_against(layout.tree, piece, leaf):
        return holding.amount
    return GpuAmount(holding.amount.memory_mib if holding.unsuspendable else 0, 0)


def _sum(held: tuple[Held, ...]) -> GpuAmount:
    return sum((holding.amount for holding, _ in held), NOTHING)
