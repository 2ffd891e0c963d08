"""What one owner is told: what ends their servers and jobs, their budgets, and what admins say."""

from collections.abc import Collection, Mapping
from datetime import datetime
from hashlib import sha256

from sublet_quota.document.lookups.group_budgets import has_budgets
from sublet_quota.document.rights import rights_of
from sublet_quota.names.ids import UserName
from sublet_quota.wire.announcements import ShownAnnouncement

from sublet_hub.delivery.notice import OF_GROUP
from sublet_hub.slices.idle_servers import idle_notice_id
from sublet_hub.slices.over_caps import over_cap_notice_id
from sublet_hub.usage.budgets.telling import BudgetNote
from sublet_hub.web.routes.announcements import shown_announcement
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.evictions import shown_eviction


def told_to(
    service: ServiceParts, owner: UserName, groups: Collection[str], paying: Collection[str]
) -> tuple[ShownAnnouncement, ...]:
    """Return what an owner is told, who is in these groups; what ends their server stands first.

    ``paying``: the groups of the quota document that pay for them (``paying_groups``).
    """
    return (
        *told_of_ends(service, owner),
        *map(_shown_note, service.budgets.notes(owner, paying)),
        *map(shown_announcement, service.announcements.told_to(owner, groups)),
    )


def told_of_ends(service: ServiceParts, owner: UserName) -> tuple[ShownAnnouncement, ...]:
    """Return what an owner is told of servers and jobs of theirs that are ended, or were lately."""
    return (
        *(shown_eviction(*each) for each in service.evictions.told_to(owner)),
        *service.over_caps.told_to(owner),
        *service.idle_servers.told_to(owner),
    )


def announced_ends(service: ServiceParts) -> Mapping[str, datetime]:
    """Return when that happens of which owners are warned, by the ids of what they are told."""
    over_caps, idle = service.over_caps.announced_ends(), service.idle_servers.announced_ends()
    return {
        **{over_cap_notice_id(name): at for name, at in over_caps.items()},
        **{idle_notice_id(name): at for name, at in idle.items()},
    }


def paying_groups(
    service: ServiceParts, owner: UserName, groups: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the groups that pay for a person, where there are budgets."""
    document = service.capacity.holdings.document
    return rights_of(document, owner, groups).groups if has_budgets(document) else ()


def _shown_note(note: BudgetNote) -> ShownAnnouncement:
    """Return what is told of a budget as admins' announcements are told."""
    return ShownAnnouncement(
        announcement_id=budget_notice_id(note.whose),
        text=note.text,
        made_at=note.made_at,
        until=note.until,
        from_admin=False,
    )


def budget_notice_id(whose: tuple[str, str | None]) -> str:
    """Return the id of what is told of a budget: of a group together, or of one person in it."""
    named = sha256("\0".join(each or "" for each in whose).encode()).hexdigest()
    return f"{OF_GROUP if whose[1] is None else 'own-budget-'}{named[:12]}"
