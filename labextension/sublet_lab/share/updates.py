"""One thread that keeps all live widgets of this process up to date, while there are any.

A thread, for a kernel's event loop stands still while a cell runs: just then there is most to see.
"""

import logging
import os
import threading
from typing import Final, Protocol

_PERIOD_S: Final = 1.0
_LOG = logging.getLogger(__name__)


class Updated(Protocol):
    """What is kept up to date."""

    def update(self) -> None:
        """Look, and show what is new. Blocks for as long as it takes to ask."""


class Updates:
    """The widgets that are open."""

    def __init__(self, period_s: float = _PERIOD_S) -> None:
        self._period_s = period_s
        self._changed = threading.Condition()
        self._open: list[Updated] = []
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def add(self, widget: Updated) -> None:
        """Keep this one up to date from now on."""
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

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._open, self._period_s)
                if not self._open:
                    self._thread = None
                    return
                widgets = list(self._open)
            for widget in widgets:
                try:
                    widget.update()
                except Exception:  # noqa: BLE001 (whatever it is, it is logged)
                    # One that cannot be shown must not keep the others from it.
                    _LOG.exception("a share widget could not be updated, and is left alone now")
                    self.remove(widget)


UPDATES: Final = Updates()
