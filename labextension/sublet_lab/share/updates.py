"""One thread that keeps the live widgets of this process up to date, while there are any.

A thread, for a kernel's event loop stands still while a cell runs: just then there is most to see.
It looks once for all widgets that look at the same. ipywidgets holds each widget that was ever
made until it is closed, and nothing says which are still shown, as after a cell has run again: so
the newest few are kept up to date, and the others say that they are not.
"""

import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from sublet_lab.share.looks import Seen, SharedLook

MOST_UPDATED: Final = 4
_PERIOD_S: Final = 1.0
_LOG = logging.getLogger(__name__)


class Updated(Protocol):
    """What is kept up to date."""

    @property
    def look(self) -> SharedLook:
        """The look that what is kept up to date shares with others of the same sources."""
        ...

    def show(self, seen: Seen) -> None:
        """Show what is new in what was seen."""

    def retire(self) -> None:
        """Say that the widget is not kept up to date any more."""


class Updates:
    """The widgets that are open."""

    def __init__(self, period_s: float = _PERIOD_S, most: int = MOST_UPDATED) -> None:
        self._period_s = period_s
        self._most = most
        self._changed = threading.Condition()
        self._open: list[Updated] = []
        """The newest last."""
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def add(self, widget: Updated) -> None:
        """Keep this one up to date from now on, until enough newer ones are."""
        with self._changed:
            if self._pid != os.getpid():
                # A forked child has the widgets of its parent, but not its thread.
                self._pid, self._open, self._thread = os.getpid(), [], None
            self._open.append(widget)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sublet-share", daemon=True)
                self._thread.start()

    def remove(self, widget: Updated) -> None:
        """Keep this one up to date no longer; when it was the last, the thread ends."""
        with self._changed:
            self._open = [other for other in self._open if other is not widget]
            self._changed.notify_all()

    def tick(self) -> None:
        """Bring all up to date once."""
        with self._changed:
            older, widgets = self._open[: -self._most], self._open[-self._most :]
            self._open = list(widgets)
        for widget in older:
            self._tell(widget, widget.retire)
        seen: dict[SharedLook, Seen] = {}
        for widget in widgets:
            self._tell(widget, partial(self._show, widget, seen))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._open, self._period_s)
                if not self._open:
                    self._thread = None
                    return
            self.tick()

    def _show(self, widget: Updated, seen: dict[SharedLook, Seen]) -> None:
        if widget.look not in seen:
            seen[widget.look] = widget.look.local()
        widget.show(seen[widget.look])

    def _tell(self, widget: Updated, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception:  # noqa: BLE001 (whatever it is, it is logged)
            # One that cannot be shown must not keep the others from it.
            _LOG.exception("a share widget could not be updated, and is left alone now")
            self.remove(widget)


UPDATES: Final = Updates()
