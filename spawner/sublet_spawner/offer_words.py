"""What the options form says of a size and of what is left, in words: no HTML yet."""

from collections.abc import Mapping

from sublet_quota.amounts.gpu_amounts import format_cards, format_compute, format_memory
from sublet_quota.wire.api import Offer, Offers
from sublet_quota.wire.share import GroupShare


def amount_of(offer: Offer, *, tell_pool: bool) -> str:
    """Return what a size comes to, and on which GPU: ``10 GiB, 0.25 GPU, L4``."""
    parts = [format_compute(offer.compute_milli)]
    if offer.memory_mib:
        parts.insert(0, format_memory(offer.memory_mib))
    if offer.gpu_type is not None:
        parts.append(offer.gpu_type)
    elif offer.types:
        parts.append(" or ".join(offer.types))
    if tell_pool:
        parts.append(f"pool {offer.pool}")
    return ", ".join(parts)


def why_not(offer: Offer) -> str | None:
    """Return why a size is not to be had; ``None`` where it is."""
    return None if offer.allowed else offer.why_not or "not to be had now"


def waits_words(offer: Offer) -> str:
    """Return what becomes of who picks a size though there is no room; empty: it is not offered."""
    if offer.allowed or not offer.waits:
        return ""
    return "No room now: your server waits in line, and starts by itself when its turn comes."


def rank_lines(offer: Offer, by_group: Mapping[str, Offers]) -> tuple[str, ...]:
    """Return whether a slice would be guaranteed or borrowed: whichever pays, then who differs.

    ``by_group`` has the offers of who may choose which group pays.
    """
    lines = [] if offer.rank is None else [offer.rank.meaning]
    for group, offers in by_group.items():
        other = next((each for each in offers.offers if each.size == offer.size), None)
        said = None if other is None else _with_group(offer, other)
        if said is not None:
            lines.append(f"If {group} pays: {said}")
    return tuple(lines)


def _with_group(usual: Offer, other: Offer) -> str | None:
    """Return what is other than usual if a group pays; ``None``: nothing."""
    if not other.allowed:
        return why_not(other) if usual.allowed else None
    if other.rank is None or (usual.rank is not None and other.rank.code == usual.rank.code):
        return None
    return f"{other.rank.word}."


def what_is_left(own: GroupShare) -> str:
    """Return what somebody may hold, holds, and has left, as sentences."""
    may = [
        *(f"{format_cards(t.limit)} of {t.gpu_type}" for t in own.types if t.limit is not None),
        *([] if own.limit_cards is None else [f"{format_cards(own.limit_cards)} in all"]),
        *([] if own.limit_mib is None else [f"{format_memory(own.limit_mib)} of GPU memory"]),
    ]
    most = [f"up to {', '.join(may)}"] if may else []
    if own.most_slices is not None:
        most.append(f"at most {_slices(own.most_slices)}")
    limits = f"You may hold {' in '.join(most)}. " if most else ""
    if not own.slices and not own.held_mib:
        return f"{limits}You hold nothing now."
    held = f"You hold {format_memory(own.held_mib)} in {_slices(own.slices)}"
    left = _left(own)
    return f"{limits}{held}{f'; {left} left' if left else ''}."


def _left(own: GroupShare) -> str:
    left = [
        f"{format_cards(max(0.0, t.limit - t.held))} of {t.gpu_type}"
        for t in own.types
        if t.limit is not None
    ]
    if own.limit_cards is not None:
        left.append(f"{format_cards(max(0.0, own.limit_cards - own.held_cards))} in all")
    if own.limit_mib is not None:
        left.append(format_memory(max(0, own.limit_mib - own.held_mib)))
    return ", ".join(left)


def _slices(count: int) -> str:
    return f"{count} slice{'' if count == 1 else 's'}"
