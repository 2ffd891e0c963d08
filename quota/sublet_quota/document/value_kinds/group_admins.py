"""Who administers a group of a quota document that is no group of the hub's, or not it alone."""

from pydantic import Field

from sublet_quota.document.section import Section
from sublet_quota.document.values import HubName


class GroupAdmins(Section):
    """The admins of a group: they cannot change who they are."""

    users: tuple[HubName, ...] | None = Field(
        default=None, description="Users, by their names at the hub."
    )
    groups: tuple[HubName, ...] | None = Field(
        default=None, description="The hub's groups whose members are admins."
    )

    @property
    def is_nobody(self) -> bool:
        """Whether nobody is named."""
        return not (self.users or self.groups)

    def has(self, user: str | None, hub_groups: frozenset[str]) -> bool:
        """Whether a user, who is in these groups of the hub, is one of them.

        ``None``: somebody who is no user of the hub, and so none of those who are named.
        """
        return user is not None and (
            user in (self.users or ()) or not hub_groups.isdisjoint(self.groups or ())
        )
