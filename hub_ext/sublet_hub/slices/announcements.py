"""What admins tell owners, in JupyterLab and by ``sublet share``, until it ends or is taken back.

Who is not meant is not told: of an announcement to another owner, group, node or card nobody hears.
Who is of a group is as the quota document in force says: the members of it and of all below it.
JupyterHub's groups count by their own names where the document has no group of the name. Of what an
admin of groups tells nobody hears who is not within these, by the document of the moment: a user
who is in another group, too, is not theirs alone.
"""

import secrets
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from sublet_quota.document.administered.groups import members_below, with_all_below
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GpuId, GroupName, NodeId, UserName
from sublet_quota.reasons.moments import is_over_words, moment_words, said_moment_words
from sublet_quota.wire.announcements import AnnouncementRequest, Audience
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.errors import BadRequestError, ConflictError, NotFoundError
from sublet_hub.ledger.announcements import Announcement, AnnouncementStore
from sublet_hub.ledger.events import event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, GpuRecord
from sublet_hub.security.rate_limits import Rate, RateLimits, take_or_refuse

MOST_LIVE: Final = 100
"""How many there are at most at once: each answer about a share looks through them."""
MOST_OF_SENDER: Final = 10
"""How many one admin of groups may have of them: they take none of the room of admins' own."""
MOST_OF_GROUPS: Final = 500
"""How many all admins of groups together."""
RATE: Final = Rate(burst=20, per_s=20 / 86_400)
"""How many one admin of groups may make in a day: each may go out by mail to all of a group."""
_USUAL: Final = timedelta(days=1)
_LONGEST: Final = timedelta(days=366)


def no_announcement(announcement_id: str) -> str:
    """Return in words that there is no such announcement."""
    return f"there is no announcement {announcement_id}: see `sublet notify --list`"


class Announcements:
    """The announcements that admins make and take back."""

    def __init__(
        self,
        store: AnnouncementStore,
        ledger: Ledger,
        knows_node: Callable[[NodeId], bool],
        document: Callable[[], QuotaDocument],
        now: Callable[[], datetime],
    ) -> None:
        """``knows_node``: whether there is such a node; ``document``: the one in force."""
        self._store = store
        self._ledger = ledger
        self._knows_node = knows_node
        self._document = document
        self._now = now
        self._rate = RateLimits(RATE)

    def make(
        self, asked: AnnouncementRequest, admin: str, within: tuple[GroupName, ...] = ()
    ) -> Announcement:
        """Tell owners something, and return the announcement.

        ``within``: the groups whose admin tells it, if no admin of all does.
        ``BadRequestError`` for an end that is over or too far away; ``NotFoundError`` for a node
        or a card that is not known; ``ConflictError`` where there are too many;
        ``TooManyRequestsError`` where an admin of groups tells too much in a day.
        """
        now = self._now()
        until = now + _USUAL if asked.until is None else asked.until.astimezone(UTC)
        if asked.until is not None and until <= now:
            message = is_over_words(asked.until, now)
            raise BadRequestError(message)
        if asked.until is not None and until > now + _LONGEST:
            said = said_moment_words(asked.until.isoformat(), asked.until)
            message = (
                f"until={said} is more than {_LONGEST.days} days away: give an earlier end, or none"
            )
            raise BadRequestError(message)
        if asked.audience is Audience.NODE and not self._knows_node(NodeId(asked.name or "")):
            message = f"there is no node {asked.name}: `sublet gpus` lists them"
            raise NotFoundError(message)
        name = asked.name
        if asked.audience is Audience.CARD:
            name = self._find_card(name or "")
        self._refuse_too_many(admin, within)
        made = Announcement(
            announcement_id=secrets.token_hex(4),
            audience=asked.audience.value,
            name=name,
            text=asked.text,
            made_by=admin,
            made_at=now,
            until=until,
            within=within,
        )
        self._store.add(made)
        to = made.audience if made.name is None else f"{made.audience} {made.name}"
        told = f"{made.announcement_id} by {admin} to {to} until {moment_words(until)}: {made.text}"
        self._tell(EventKind.ANNOUNCED, told, now)
        return made

    def withdraw(self, announcement_id: str, admin: str) -> Announcement:
        """Take an announcement back and return it. ``NotFoundError`` where there is none."""
        found = self._store.kept.get(announcement_id)
        now = self._now()
        if found is None or found.until <= now:
            raise NotFoundError(no_announcement(announcement_id))
        self._store.drop(announcement_id)
        self._tell(EventKind.ANNOUNCEMENT_WITHDRAWN, f"{announcement_id} by {admin}", now)
        return found

    def covering(
        self,
        asked: AnnouncementRequest,
        groups: tuple[GroupName, ...],
        hub_groups: Collection[str],
    ) -> tuple[GroupName, ...]:
        """Return those of the groups of an admin within which all are who are meant.

        None where somebody is meant beside these. ``hub_groups``: in which a user is who is meant.
        """
        document = self._document()
        if asked.audience is Audience.GROUP:
            meant: Collection[str] = (asked.name or "",)
        elif asked.audience is Audience.OWNER:
            meant = document.groups_of(hub_groups)
        else:
            meant = ()
        if not meant or not with_all_below(document, groups).issuperset(meant):
            return ()
        return tuple(
            each for each in groups if not with_all_below(document, (each,)).isdisjoint(meant)
        )

    def of_groups(self, groups: Collection[GroupName]) -> tuple[Announcement, ...]:
        """Return what admins of these groups tell, or of some below them, the newest first."""
        seen = with_all_below(self._document(), groups)
        return tuple(each for each in self.live() if each.within and seen.issuperset(each.within))

    def live(self) -> tuple[Announcement, ...]:
        """Return the announcements that have not ended, the newest first."""
        now = self._now()
        found = [each for each in self._store.kept.values() if each.until > now]
        return tuple(sorted(found, key=lambda each: each.made_at, reverse=True))

    def told_to(self, owner: UserName, groups: Collection[str]) -> tuple[Announcement, ...]:
        """Return what one owner, who is in these groups, is told: the newest first."""
        live = self.live()
        if not live:
            return ()
        cards = [record.gpu for record in self._ledger.slices_of_owner(owner)]
        return tuple(each for each in live if self._is_meant(each, owner, groups, cards))

    def end_due(self) -> None:
        """Forget the announcements whose end has come."""
        now = self._now()
        due = tuple(name for name, each in self._store.kept.items() if each.until <= now)
        self._store.drop(*due)

    def has_group(self, name: str) -> bool:
        """Whether the quota document in force has such a group."""
        return name in self._document().all_groups

    def _is_meant(
        self,
        announcement: Announcement,
        owner: UserName,
        groups: Collection[str],
        cards: Collection[GpuRecord],
    ) -> bool:
        """Whether an owner is among those who are meant; nobody is by what is not known here."""
        if announcement.within and not self._is_within(announcement, groups):
            return False
        match announcement.audience:
            case Audience.ALL:
                return True
            case Audience.OWNER:
                return announcement.name == owner
            case Audience.GROUP:
                return not self._members(announcement.name or "").isdisjoint(groups)
            case Audience.NODE:
                return any(announcement.name == card.node for card in cards)
            case Audience.CARD:
                return any(announcement.name == card.gpu_id for card in cards)
            case _:
                return False

    def _is_within(self, announcement: Announcement, groups: Collection[str]) -> bool:
        """Whether who is in these groups of the hub is its sender's to tell something."""
        document = self._document()
        seen = with_all_below(document, announcement.within)
        if announcement.audience == Audience.GROUP:
            return announcement.name in seen
        theirs = document.groups_of(groups)
        return announcement.audience == Audience.OWNER and bool(theirs) and seen.issuperset(theirs)

    def _refuse_too_many(self, sender: str, within: tuple[GroupName, ...]) -> None:
        of_groups = [each for each in self.live() if each.within]
        if not within:
            if len(self.live()) - len(of_groups) >= MOST_LIVE:
                message = f"there are {MOST_LIVE} announcements already: take some back first"
                raise ConflictError(message)
            return
        if sum(each.made_by == sender for each in of_groups) >= MOST_OF_SENDER:
            message = f"you tell {MOST_OF_SENDER} things already: take some back first"
            raise ConflictError(message)
        if len(of_groups) >= MOST_OF_GROUPS:
            message = "admins of groups tell too much at this time: try again later"
            raise ConflictError(message)
        take_or_refuse(self._rate, sender, "groups were told something")

    def _members(self, group: str) -> frozenset[str]:
        """Return the groups of the hub whose members are meant by a group."""
        if self.has_group(group):
            return members_below(self._document(), (group,))
        return frozenset({group})

    def _find_card(self, where: str) -> GpuId:
        """Return the card of an id, or of ``NODE:INDEX``. ``NotFoundError`` where there is none."""
        node, colon, index = where.rpartition(":")
        on_node = self._ledger.gpus_on_node(NodeId(node)) if colon else ()
        there = [gpu.gpu_id for gpu in on_node if str(gpu.index) == index]
        if len(there) == 1:
            return there[0]
        if GpuId(where) in self._ledger.gpus:
            return GpuId(where)
        message = f"there is no GPU {where}: name one as NODE:INDEX, or by its id"
        raise NotFoundError(message)

    def _tell(self, kind: EventKind, detail: str, now: datetime) -> None:
        self._ledger.apply(Change(events=(event(kind, now, detail),)), now)
