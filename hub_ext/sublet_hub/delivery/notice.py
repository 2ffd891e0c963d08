"""Something that is told now, and is to go out by one way to one receiver."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sublet_quota.wire.announcements import Audience

from sublet_hub.delivery.sender import Channel

OF_GROUP: Final = "budget-"
"""So begins the id of what is told of a group's budget, to each of its members."""


def is_of_group(notice_id: str) -> bool:
    """Whether a group's members are told something together, which no one of them brings about."""
    return notice_id.startswith(OF_GROUP)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that is told now, to whom it is to go by one way."""

    channel: Channel
    notice_id: str
    audience: Audience
    name: str | None
    text: str
    from_admin: bool
    made_at: datetime
    until: datetime
    report: Callable[[], str] = field(default=str, compare=False)
    """Writes the week's report that goes out with it, if any: asked only for what is new."""
    ends_at: datetime | None = None
    """When something of the receiver's ends of which they are warned; ``None``: nothing does."""
    part: frozenset[str] | None = None
    """The groups that the report is of; ``None``: all. Of others it is written anew."""
    is_told_once: bool = False
    """Whether it is the same whenever it is told: its id says all by which it differs."""

    @property
    def delivery_id(self) -> str:
        """Return by what it is known that it went out: told anew later, it is another."""
        parts = (self.channel, self.notice_id, self.audience, self.name or "")
        made = "" if self.is_told_once else self.made_at.isoformat()
        named = "\0".join((*parts, made))
        return hashlib.sha256(named.encode()).hexdigest()[:40]

    @property
    def is_own_doing(self) -> bool:
        """Whether its receiver or their group brings it about: no admin says it, nor a report."""
        return self.audience is Audience.OWNER and not self.from_admin and self.report is str
