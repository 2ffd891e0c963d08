"""The cards that a suspended process is restored to: its own, or others in their place."""

from collections.abc import Callable, Collection, Mapping

from sublet_agent.simulated.machine.card import Card, SimulatedProcess
from sublet_agent.simulated.protocol.errors import DeviceGoneError, SimulatedGpuError

Targets = list[tuple[Card, Card]]
"""Each card of a process, and the one that takes its place."""


def targets_of(
    process: SimulatedProcess, mapping: Mapping[str, str], card_of: Callable[[str], Card]
) -> Targets:
    """Return where each card of a process goes; ``mapping`` says it by ids, or is empty.

    ``SimulatedGpuError`` where a card is not named, named twice, of another type, or gone.
    """
    targets = [(card, _target(card, mapping, card_of)) for card in process.cards.values()]
    if len({card.gpu_id for _, card in targets}) < len(targets):
        message = f"the mapping {dict(mapping)} names a card twice"
        raise SimulatedGpuError(message)
    return targets


def check_names_all(mapping: Mapping[str, str], cards: Collection[str]) -> None:
    """Refuse a mapping that does not name all cards, each once on both sides."""
    if mapping and not set(mapping) == set(mapping.values()) == set(cards):
        message = (
            f"the mapping {dict(mapping)} does not name each of {', '.join(cards)} on both sides"
        )
        raise SimulatedGpuError(message)


def _target(card: Card, mapping: Mapping[str, str], card_of: Callable[[str], Card]) -> Card:
    target = card
    if mapping:
        wanted = mapping.get(card.gpu_id)
        if wanted is None:
            message = f"the mapping {dict(mapping)} does not name the process's card {card.gpu_id}"
            raise SimulatedGpuError(message)
        target = card_of(wanted)
        if target.type != card.type:
            message = f"{wanted} is a {target.type}; the process needs a {card.type}"
            raise SimulatedGpuError(message)
    if target.gone is not None:
        message = f"the simulated GPU {target.gpu_id} is gone: {target.gone}"
        raise DeviceGoneError(message)
    return target


def fits(process: SimulatedProcess, old: Card, card: Card) -> bool:
    """Whether what a process had on one card has room on another, or there again."""
    needed = sum(buffer.mib for buffer in process.all_buffers() if buffer.store is old.store)
    return needed <= card.store.free_mib and card.limits.allow(process.pid, needed, card.held)


def move_to(process: SimulatedProcess, targets: Targets, mapping: Mapping[str, str]) -> None:
    """Let a suspended process belong to other cards, or to the same; it knows them as before."""
    for known in mapping:
        process.moved_to[known] = mapping[process.moved_to.get(known, known)]
    for old, _ in targets:
        del old.processes[process.pid]
    stores = {id(old.store): card.store for old, card in targets}
    for buffer in process.all_buffers():
        buffer.store = stores[id(buffer.store)]
    names = list(process.cards)
    process.cards = dict(zip(names, (card for _, card in targets), strict=True))
    for card in process.cards.values():
        card.processes[process.pid] = process
