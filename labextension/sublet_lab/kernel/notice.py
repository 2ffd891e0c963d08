"""The one line in a waiting cell's output that says for what it waits."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

Publish = Callable[[str, dict[str, Any]], None]


class WaitNotice:
    """Shows nothing for waits shorter than ``after_s``, and is gone when the wait ends.

    ``publish`` sends a message of a type and content to the cell's output. To be used on the
    event loop that waits.
    """

    def __init__(self, publish: Publish, after_s: float) -> None:
        self._publish = publish
        self._display_id = f"sublet-{uuid.uuid4().hex}"
        self._message = "Waiting for this machine's GPU agent."
        self._shown = ""
        self._timer = asyncio.get_running_loop().call_later(after_s, self._show)

    def say(self, message: str) -> None:
        """Show this text in the cell's output from now on."""
        self._message = message
        if self._shown:
            self._show()

    def end(self) -> None:
        """End the notice, and leave nothing of it in the cell's output."""
        self._timer.cancel()
        if self._shown:
            self._publish("clear_output", {"wait": False})
            self._shown = ""

    def _show(self) -> None:
        text = f"Sublet: {self._message}"
        if text == self._shown:
            return
        content = {
            "data": {"text/plain": text},
            "metadata": {},
            "transient": {"display_id": self._display_id},
        }
        self._publish("update_display_data" if self._shown else "display_data", content)
        self._shown = text
