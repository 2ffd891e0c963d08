"""What somebody could have, also by the group that pays: asked for of a few groups alone."""

import pytest
from sublet_quota.wire.api import Offers
from sublet_spawner.offered import offered

from tests.support.fake_service import an_offer, some_offers

pytestmark = pytest.mark.asyncio


class Asked:
    """Tells the same whoever pays, and keeps who would."""

    def __init__(self, *groups: str) -> None:
        self.groups = groups
        self.asked: list[str | None] = []

    async def offers(
        self,
        owner: str,
        groups: tuple[str, ...],
        *,
        group: str | None,
        never_suspended: bool,
    ) -> Offers:
        assert (owner, groups, never_suspended) == ("ada", self.groups, True)
        self.asked.append(group)
        return some_offers(an_offer(), groups=self.groups)


async def offers_by_group(client: Asked) -> tuple[str, ...]:
    _, by_group = await offered(client, "ada", client.groups, never_suspended=True)  # type: ignore[arg-type]
    return tuple(by_group)


async def test_who_has_a_choice_is_told_what_each_group_would_come_to() -> None:
    client = Asked("course", "lab")
    assert await offers_by_group(client) == ("course", "lab")
    assert client.asked == [None, "course", "lab"]


async def test_who_has_none_is_asked_for_once() -> None:
    client = Asked("lab")
    assert await offers_by_group(client) == ()
    assert client.asked == [None]


async def test_of_very_many_groups_the_first_are_asked_for_alone() -> None:
    """Each takes the service tens of milliseconds, each time that the page is looked at."""
    client = Asked(*(f"group-{number}" for number in range(200)))
    assert len(await offers_by_group(client)) == 8
    assert len(client.asked) == 9
