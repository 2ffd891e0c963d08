"""Who is told what now, for the ways out by mail and webhook: everybody who has something here.

By mail each is told what they are told with their share. By webhook an announcement goes out once,
with to whom it is told; what is one owner's alone goes out for them. With them go weeks' reports.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from sublet_quota.names.ids import UserName
from sublet_quota.wire.announcements import Audience, ShownAnnouncement

from sublet_hub.app.loops import Loop, Wakeup
from sublet_hub.app.reports_out import ReportsOut
from sublet_hub.app.taken_out import TakenOut
from sublet_hub.delivery.notice import Notice
from sublet_hub.delivery.sender import Channel
from sublet_hub.state.collectors.given_up import GivenUpCollector
from sublet_hub.state.collectors.stepped import in_parts
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.told import announced_ends, paying_groups, told_to

_LOOK_EVERY_S = 10.0
_SEND_EVERY_S = 5.0
_HOUR_S = 3600.0


class NoticesOut:
    """Gives the outbox what is told, and lets it send."""

    def __init__(self, service: ServiceParts) -> None:
        self._service = service
        self._reports = ReportsOut(service)
        self._taken = TakenOut(service)
        service.metrics.read_too(GivenUpCollector(service.outbox.given_up_by_reason))

    def loops(self) -> tuple[tuple[Loop, Wakeup], ...]:
        """Return the loops that this takes: none where no way out is set."""
        outbox = self._service.outbox
        if not outbox.channels:
            return ()
        return (
            (Loop("notices to send", _LOOK_EVERY_S, self.look), Wakeup()),
            *(
                (
                    Loop(f"sending by {each}", _SEND_EVERY_S, partial(outbox.send_due, each)),
                    Wakeup(),
                )
                for each in outbox.channels
            ),
            (Loop("old notices", _HOUR_S, outbox.forget_old), Wakeup()),
            *self._reports.loops(),
        )

    async def look(self) -> None:
        """Tell the outbox all that is told now; others have turns meanwhile."""
        await self._reports.look_at_first()
        told = list(self._announced())
        announced, ends = {each.notice_id for each in told}, announced_ends(self._service)
        for some in in_parts(self._owners()):
            for owner in some:
                found = self._told_to(owner, announced)
                told += (
                    replace(each, ends_at=ends.get(each.notice_id, each.ends_at)) for each in found
                )
            await asyncio.sleep(0)
        reports = self._reports.notices()
        known = self._reports.receivers_are_known
        self._service.outbox.take((*told, *reports), reports_known=known)

    def _announced(self) -> Iterator[Notice]:
        for each in self._service.announcements.live():
            if each.audience in set(Audience):
                yield Notice(
                    Channel.WEBHOOK,
                    each.announcement_id,
                    Audience(each.audience),
                    each.name,
                    each.told,
                    from_admin=True,
                    made_at=each.made_at,
                    until=each.until,
                )

    def _told_to(self, owner: UserName, announced: set[str]) -> Iterator[Notice]:
        service = self._service
        account = service.accounts.find(owner)
        groups = () if account is None else account.groups
        for each in told_to(service, owner, groups, paying_groups(service, owner, groups)):
            yield _notice(Channel.MAIL, owner, each)
            if each.announcement_id not in announced:
                yield _notice(Channel.WEBHOOK, owner, each)
        for taken in self._taken.told_to(owner):
            for channel in (Channel.MAIL, Channel.WEBHOOK):
                notice = _notice(channel, owner, taken.told)
                yield replace(notice, ends_at=taken.at, is_told_once=True)

    def _owners(self) -> tuple[UserName, ...]:
        """Return everybody who has something that may be taken, or whom an admin names."""
        service = self._service
        named = (e.name for e in service.announcements.live() if e.audience == Audience.OWNER)
        found = {UserName(name) for name in named if name is not None}
        found |= {each.owner for each in service.ledger.slices.values()}
        found |= {each.owner for each in service.ledger.live_jobs.values()}
        found |= {each.owner for each in service.evictions.all()}
        found |= service.idle_servers.owners() | service.over_caps.owners()
        found |= self._taken.owners()
        return tuple(sorted(found))


def _notice(channel: Channel, owner: UserName, told: ShownAnnouncement) -> Notice:
    return Notice(
        channel,
        told.announcement_id,
        Audience.OWNER,
        owner,
        told.text,
        from_admin=told.from_admin,
        made_at=told.made_at,
        until=told.until,
    )
