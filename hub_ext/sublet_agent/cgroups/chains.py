"""The hunt for outsiders of whom each starts another and ends, as soon as it can.

Such a chain is elsewhere by the time that it is moved. Its group is not: a group that is told to
freeze has nobody in it any more who starts others, so everybody there stands still for a moment,
and the outsiders among them are moved out. In the topmost group, which cannot be frozen, and in the
agent's own, there is only being quicker: whoever is new there is moved the moment it is seen, again
and again.
"""

import logging
import os
import time
from collections.abc import Callable, Collection
from typing import Final

from sublet_agent.cgroups.holding import Holding
from sublet_agent.cgroups.registry import is_in
from sublet_agent.cgroups.sightings import Lookout

_HUNT_S: Final = 0.1
"""How long they are hunted before it is looked whether any are left."""
_STOPPED_S: Final = 0.25
"""How long everybody in a group may stand still for the few that are moved out of it."""

log = logging.getLogger(__name__)


def hunt(
    lookout: Lookout,
    holding: Holding,
    accounts: Collection[int],
    inside: Callable[[], frozenset[int]],
    ours: Collection[int],
) -> None:
    """Take outsiders of these accounts the moment that they are seen, for a short while.

    Neither those ``inside``, held ones among them, nor ``ours``, who must run.
    """
    until = time.monotonic() + _HUNT_S
    seen = set(inside())
    while time.monotonic() < until:
        for pid, place in lookout.newly_seen(accounts, seen):
            if _can_be_stopped(holding, place):
                _sort_out(lookout, holding, accounts, ours, place)
                return
            holding.take_at_once(pid, place)


def _sort_out(
    lookout: Lookout,
    holding: Holding,
    accounts: Collection[int],
    ours: Collection[int],
    place: str,
) -> None:
    """Let nobody in a place run while the outsiders are moved out of it."""
    until = time.monotonic() + _STOPPED_S
    with holding.stopped(place):
        while time.monotonic() < until:
            outside = lookout.look(accounts, lambda: frozenset(ours)).outside
            here = {p: at for p, at in outside.items() if at is not None and is_in(at, place)}
            if not here:
                return
            holding.move(here)
    log.warning("those in group %s could not be told apart in %s s", place, _STOPPED_S)


def _can_be_stopped(holding: Holding, place: str) -> bool:
    ours = (holding.tree.place_of(pid) for pid in (os.getpid(), os.getppid()))
    return place != "/" and not any(at is not None and is_in(at, place) for at in ours)
