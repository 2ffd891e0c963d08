"""Changes of the cards as they are written in one line: ``day 2 09:00: add 2xH100:80``.

A moment (``day 2``, ``day 2 09:00``, ``2026-01-06T09:00``), a colon and a blank, a verb
(``CardVerb``), and which cards: new ones as ``NUMBERxMODEL:GIB``; of those that are there a node
(``node-0-0``), a card of it (``node-0-0:3``), or the last ones of a model (``2xH100``). Day 1 is
the first; nodes are counted by the kinds of card as these are written, from 0.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sublet_quota.closed_loop.asks.asked import CardChange, CardVerb
from sublet_quota.closed_loop.asks.card_text import read_cards
from sublet_quota.errors import SubletQuotaError
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.names.ids import GpuId

_DAY: Final = re.compile(
    r"day +(?P<day>[1-9][0-9]{0,3})( +(?P<h>[01]?[0-9]|2[0-3]):(?P<m>[0-5][0-9]))?"
)
_LAST: Final = re.compile(r"(?P<number>[1-9][0-9]{0,4}) *x *(?P<model>[^:]+)")
_SOME: Final = 4
_FORM: Final = (
    "write WHEN: VERB CARDS, such as 'day 2 09:00: add 2xH100:80' or 'day 3: drain node-0-0'"
)


class ChangeError(SubletQuotaError):
    """A change of cards that cannot be meant."""


def read_changes(
    texts: Iterable[str], cards: Iterable[GpuFacts], begins: datetime
) -> tuple[CardChange, ...]:
    """Return the changes that texts tell, in the order of their moments. ``ChangeError``."""
    read = sorted((_parts(text, begins) for text in texts), key=lambda each: each[0])
    there = {card.gpu_id: card for card in cards}
    kinds = len({card.node.split("-")[1] for card in there.values()})
    found: list[CardChange] = []
    for at, verb, which, text in read:
        if verb is CardVerb.ADD:
            new = read_cards(which, nodes_from=kinds)
            kinds += len({card.node.split("-")[1] for card in new})
            there |= {card.gpu_id: card for card in new}
            found.append(CardChange(at, verb, new, text))
            continue
        meant = _meant(which, there, verb, text)
        found.append(CardChange(at, verb, meant, text))
        for card in meant:
            if verb is CardVerb.TAKE:
                del there[card.gpu_id]
            else:
                there[card.gpu_id] = _after(card, verb)
    return tuple(found)


def cards_after(cards: Iterable[GpuFacts], change: CardChange) -> tuple[GpuFacts, ...]:
    """Return the cards that there are after a change, with how each is closed."""
    meant = {card.gpu_id for card in change.cards}
    if change.verb is CardVerb.ADD:
        return (*cards, *change.cards)
    return tuple(_changed(cards, change.verb, meant))


def _changed(cards: Iterable[GpuFacts], verb: CardVerb, meant: set[GpuId]) -> Iterator[GpuFacts]:
    for card in cards:
        if card.gpu_id not in meant:
            yield card
        elif verb is not CardVerb.TAKE:
            yield _after(card, verb)


def _after(card: GpuFacts, verb: CardVerb) -> GpuFacts:
    """Return a card as its agent, or an admin, would close or open it."""
    match verb:
        case CardVerb.CLOSE | CardVerb.DRAIN:
            return replace(card, closed="closed by an admin", closed_by_hand=True)
        case CardVerb.FAIL:
            return replace(card, closed="it has failed", closed_for_good=True)
        case CardVerb.OPEN:
            return replace(card, closed=None, closed_by_hand=False, closed_for_good=False)
        case CardVerb.ADD | CardVerb.TAKE:
            return card


def _parts(text: str, begins: datetime) -> tuple[datetime, CardVerb, str, str]:
    when, colon, what = text.partition(": ")
    verb, _, which = what.strip().partition(" ")
    if not colon or verb not in set(CardVerb) or not which.strip():
        verbs = ", ".join(CardVerb)
        message = f"{text!r} names no change of cards: {_FORM}; verbs are {verbs}"
        raise ChangeError(message)
    at = _moment(when.strip(), begins)
    if at is None:
        message = f"{text!r}: {when.strip()!r} is no moment: {_FORM}"
        raise ChangeError(message)
    if at < begins:
        message = f"{text!r}: that is before the beginning, {begins:%Y-%m-%d %H:%M}"
        raise ChangeError(message)
    return at, CardVerb(verb), which.strip(), " ".join(text.split())


def _moment(text: str, begins: datetime) -> datetime | None:
    day = _DAY.fullmatch(text)
    if day is not None:
        time = timedelta(hours=int(day["h"] or 0), minutes=int(day["m"] or 0))
        return begins + timedelta(days=int(day["day"]) - 1) + time
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _meant(
    which: str, there: dict[GpuId, GpuFacts], verb: CardVerb, text: str
) -> tuple[GpuFacts, ...]:
    named = tuple(card for card in there.values() if which in {card.gpu_id, card.node})
    if named:
        return named
    last = _LAST.fullmatch(which)
    if last is not None:
        number, model = int(last["number"]), last["model"].strip()
        # Those that are as they are to be are not meant again.
        among = [
            card
            for card in there.values()
            if card.kind.type == model and (verb is CardVerb.TAKE or _after(card, verb) != card)
        ]
        if len(among) >= number:
            return tuple(among[-number:])
        message = f"{text!r}: there are {len(among)} cards {model!r} to {verb}"
        raise ChangeError(message)
    nodes = list(dict.fromkeys(card.node for card in there.values()))
    told = ", ".join(nodes[:_SOME]) + (", ..." if len(nodes) > _SOME else "")
    message = (
        f"{text!r}: {which!r} is no card or node that is there then: there are {told}; "
        "write NODE, NODE:INDEX or NUMBERxMODEL"
    )
    raise ChangeError(message)
