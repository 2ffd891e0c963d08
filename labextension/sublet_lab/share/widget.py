"""``ShareWidget``: one's share in a notebook cell, live, of ipywidgets' standard parts.

All text is escaped; what is said is said in words, not by colour alone. Nothing is sent that
says nothing new, and nothing to a slice that has been idle for two minutes: a notebook server
counts each message as activity, and would never be culled.
"""

import html
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import ipywidgets
from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.wire import api
from sublet_quota.wire.tenant_socket import LocalShare

from sublet_lab.share import words
from sublet_lab.share.looks import Seen, SharedLook, shared_look
from sublet_lab.share.sources import ShareSources, Sources, UnknownShareError
from sublet_lab.share.updates import UPDATES

_QUIET_AFTER: Final = timedelta(minutes=2)
_RETIRED: Final = (
    "newer widgets show your share, and this one is updated no more: run its cell again"
)
_WHOLE: Final = 1000


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ShareWidget(ipywidgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """What your slice holds, whether it is lent, and what you and your group may have.

    It looks every second until it is closed (``close()``) or a few newer ones are there, and
    shows what is new.
    """

    def __init__(
        self,
        sources: Sources | None = None,
        now: Callable[[], datetime] = _utc_now,
        **options: Any,
    ) -> None:
        self._now = now
        self._look = shared_look(ShareSources.of_environment() if sources is None else sources)
        self._headline = ipywidgets.HTML()
        self._memory = ipywidgets.IntProgress(
            min=0,
            max=1,
            description="Memory",
            tooltip="What your slice holds, on the GPU and in host memory",
        )
        self._memory_text = ipywidgets.HTML()
        self._move = ipywidgets.IntProgress(
            min=0, max=_WHOLE, description="Moving", tooltip="How far the move of your data is"
        )
        self._details = ipywidgets.HTML()
        self._seen_at: datetime | None = None
        self._quiet = False
        self._away = False
        self._closed = False
        memory = ipywidgets.HBox([self._memory, self._memory_text])
        super().__init__([self._headline, memory, self._move, self._details], **options)
        self.update()
        UPDATES.add(self)

    def close(self) -> None:
        """Stop looking, and take the widget away."""
        self._closed = True
        UPDATES.remove(self)
        super().close()

    @property
    def look(self) -> SharedLook:
        """The look that the widget shares with all of the same slice."""
        return self._look

    def update(self) -> None:
        """Look now, and show what is new."""
        if not self._closed:
            self.show(self._look.local())

    def show(self, seen: Seen) -> None:
        """Show what is new in what was seen."""
        if self._closed:
            return
        if isinstance(seen, UnknownShareError):
            self._show_away(str(seen))
            return
        now = self._now()
        quiet = not seen.active and now - seen.since > _QUIET_AFTER
        was_quiet, was_away = self._quiet, self._away
        self._seen_at, self._quiet, self._away = now, quiet, False
        if not (quiet and was_quiet) or was_away:
            self._show(seen, now)

    def retire(self) -> None:
        """Look no more, leave the last state, and say so."""
        if not self._closed:
            self._closed = True
            _set(self._move.layout, display="none")
            self._show_away(_RETIRED)

    def _show(self, share: LocalShare, now: datetime) -> None:
        used_mib = words.used_mib(share)
        used, cap = format_memory(used_mib), format_memory(share.cap_mib)
        headline = words.headline(share, as_of=now if self._quiet else None)
        lines = words.local_lines(share) + words.process_lines(share)
        lines += words.service_lines(self._look.service(share, now) or _NOTHING, share.slice_id)
        if self._quiet:
            lines.append("not updated while you are idle")
        # Set all at once: a change that is none is not sent.
        _set(self._headline, value=_escaped(f"{words.sign(share)} {headline}", "b"))
        _set(
            self._memory,
            max=max(1, share.cap_mib, used_mib),
            value=used_mib,
            bar_style="danger"
            if share.over_cap
            else "warning"
            if words.is_nearly_full(share)
            else "",
        )
        _set(self._memory_text, value=_escaped(f"{used} of {cap}", "span"))
        self._show_move(share, now)
        details = "<br>".join(_escaped(line, "span") for line in lines)
        _set(self._details, value=f'<div style="line-height: 1.5">{details}</div>')

    def _show_move(self, share: LocalShare, now: datetime) -> None:
        move = share.move
        if move is None:
            _set(self._move.layout, display="none")
            return
        passed_s = words.elapsed_s(move, now)
        part = passed_s / move.expected_s if move.expected_s else 1.0
        if move.moved_mib is not None and move.bytes_mib:
            part = move.moved_mib / move.bytes_mib
        _set(self._move.layout, display=None)
        _set(
            self._move,
            value=round(_WHOLE * min(1.0, max(0.0, part))),
            tooltip=words.move_line(move, now),
        )

    def _show_away(self, why: str) -> None:
        """Leave the last state, and say when it was seen."""
        self._away = True
        if self._seen_at is None:
            _set(self._headline, value=_escaped(why, "b"))
            _set(self._memory_text, value="")
            _set(self._move.layout, display="none")
            _set(self._details, value="")
            return
        at = self._seen_at.astimezone()
        _set(self._headline, value=_escaped(f"Last seen {at:%H:%M:%S}: {why}", "i"))


_NOTHING: Final = api.Share(
    owner="unknown",
    slices=(),
    jobs_waiting=0,
    jobs_running=0,
    lending=True,
)


def _set(part: Any, **values: Any) -> None:
    """Set what differs, in one message."""
    new = {name: value for name, value in values.items() if getattr(part, name) != value}
    if not new:
        return
    if hasattr(part, "hold_sync"):
        with part.hold_sync():
            for name, value in new.items():
                setattr(part, name, value)
    else:
        for name, value in new.items():
            setattr(part, name, value)


def _escaped(text: str, tag: str) -> str:
    return f"<{tag}>{html.escape(words.plain(text))}</{tag}>"
