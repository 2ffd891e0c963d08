"""The watch over all parts: who ends is started again, and the terminal reads what that means.

What a dead part had started (notebook servers, jobs) is left alone, and written down for who has to
stop it if this program is killed.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import psutil

from sublet_hub.one_machine.adopted import adopted
from sublet_hub.one_machine.plans import Plan
from sublet_hub.one_machine.processes import Part, Parts
from sublet_hub.one_machine.restarts import (
    GoneForGood,
    StartAgain,
    after_end,
    ends_before_this,
    words_of,
)

_LOOK_EVERY_S: Final = 0.25
_ANSWERS_ASKED_EVERY_S: Final = 0.5
_ORPHANS_EVERY_S: Final = 2.0
"""How often to look who was left behind: each time all processes of the machine are read."""


class PartGoneError(Exception):
    """A part without which nothing is worth going on is gone for good; the message says why."""


@dataclass(slots=True)
class _Watched:
    """A part as the keeper last saw it."""

    began_s: float
    """When the process was started, or first seen."""
    ends: int = 0
    """Ends in a row."""
    starts_at_s: float | None = None
    """When the part is started again, while it waits for that."""
    away_since_s: float | None = None
    """When the part ended, until it answers again."""
    asked_at_s: float = 0.0
    gone: bool = False


@dataclass(slots=True)
class PartKeeper:
    """The keeper of the parts of one machine."""

    parts: Parts
    plans: Mapping[str, Plan]
    say: Callable[[str], None]
    note: Callable[[str, int], None]
    """Called with a name and the pid of each process that a dead part has left."""
    monotonic: Callable[[], float] = time.monotonic
    told_to_stop: bool = False
    """Whether somebody told the hub to stop: its admin page, or a signal."""
    _watched: dict[str, _Watched] = field(default_factory=dict)
    _noted: set[int] = field(default_factory=set)
    _orphans_at_s: float = -math.inf

    def keep(self, stop: threading.Event) -> None:
        """Look again and again, until told to stop: also in the middle of a part's pause.

        ``PartGoneError``.
        """
        while not (self.told_to_stop or stop.wait(_LOOK_EVERY_S)):
            self.look()

    def look(self) -> None:
        """Look at every part once, and do what is due. ``PartGoneError``."""
        for part in list(self.parts.running):
            watched = self._watched.setdefault(part.name, _Watched(self.monotonic()))
            if watched.gone:
                continue
            if part.process.poll() is None:
                self._ask_whether_it_is_back(part, watched)
            elif watched.starts_at_s is None:
                self._note_end(part, watched)
            elif self.monotonic() >= watched.starts_at_s and self._has_what_it_needs(part):
                self._start_again(part, watched)
        if self.monotonic() - self._orphans_at_s >= _ORPHANS_EVERY_S:
            self._note_orphans()

    def _note_end(self, part: Part, watched: _Watched) -> None:
        now, status = self.monotonic(), part.process.returncode
        plan = self.plans[part.name]
        if plan.can_be_told and status == 0:
            self._say(f"The {part.name} was told to stop: by its admin page, or by a signal.")
            self.told_to_stop = True
            watched.gone = True
            return
        lived_s = now - watched.began_s
        follows = after_end(status, lived_s, watched.ends)
        # At once: should this program be killed next, nobody else would know of them.
        self._note_orphans()
        watched.ends = ends_before_this(lived_s, watched.ends) + 1
        if watched.away_since_s is None:
            watched.away_since_s = now
        ended = f"{part.name} (process {part.process.pid}) {words_of(status)}"
        match follows:
            case StartAgain(after_s):
                watched.starts_at_s = now + after_s
                when = f"in {after_s:g} s" if after_s else "at once"
                self._say(f"{ended}; it is started again {when}. {plan.meanwhile} Log: {part.log}")
            case GoneForGood(why):
                watched.gone = True
                last = f"Its last words:\n{part.last_words()}"
                told = f"{ended}; it is NOT started again, since {why}. {last}"
                if plan.vital:
                    raise PartGoneError(told)
                self._say(f"{told}\n{plan.meanwhile} Stop with Ctrl-C, mend it, and start anew.")

    def _has_what_it_needs(self, part: Part) -> bool:
        return all(self.plans[name].answers() for name in self.plans[part.name].needs)

    def _start_again(self, part: Part, watched: _Watched) -> None:
        self.plans[part.name].before_start()
        self.parts.start_again(part)
        watched.began_s, watched.starts_at_s = self.monotonic(), None

    def _ask_whether_it_is_back(self, part: Part, watched: _Watched) -> None:
        now = self.monotonic()
        if watched.away_since_s is None or now - watched.asked_at_s < _ANSWERS_ASKED_EVERY_S:
            return
        watched.asked_at_s = now
        plan = self.plans[part.name]
        if plan.answers() and plan.taken_up():
            away_s = self.monotonic() - watched.away_since_s
            watched.away_since_s = None
            back = f"{part.name} answers again (process {part.process.pid}), after {away_s:.1f} s"
            self._say(f"{back}.")

    def _note_orphans(self) -> None:
        self._orphans_at_s = self.monotonic()
        living = {each.pid for each in adopted(self.parts.pids())}
        for pid in living - self._noted:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.note("notebook server, job or helper", pid)
        self._noted = living

    def _say(self, text: str) -> None:
        self.say(f"{datetime.now().astimezone():%H:%M:%S} {text}")
