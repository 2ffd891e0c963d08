"""What the service tells of quotas: of a person, and of groups."""

from typing import Any

from sublet_quota.wire.share import GroupShare, QuotaShare


def a_group_share(group: str | None = None, **changes: Any) -> GroupShare:
    """Return the share of a group, or of a person: nothing held, and no limit."""
    values: dict[str, Any] = {
        "group": group,
        "path": () if group is None else (group,),
        "types": (),
        "held_cards": 0,
        "limit_cards": None,
        "held_mib": 0,
        "limit_mib": None,
        "slices": 0,
        "most_slices": None,
    }
    return GroupShare(**{**values, **changes})


def a_quota(**changes: Any) -> QuotaShare:
    """Return a quota of somebody in no group, who holds nothing."""
    return QuotaShare(**{"groups": (), "own": a_group_share(), **changes})
