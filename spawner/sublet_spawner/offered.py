"""What a user could have now, asked of the service: at all, and by the group that pays."""

import asyncio
from typing import Final

from sublet_quota.wire.api import Offers

from sublet_spawner.service_client import ServiceClient

_MOST_COMPARED: Final = 8


async def offered(
    client: ServiceClient, owner: str, groups: tuple[str, ...], *, never_suspended: bool
) -> tuple[Offers, dict[str, Offers]]:
    """Return the offers whichever group pays, and those of each group where there is a choice.

    Of very many groups only the first are asked for; all may be chosen.
    """

    async def ask(group: str | None) -> Offers:
        return await client.offers(owner, groups, group=group, never_suspended=never_suspended)

    usual = await ask(None)
    compared = usual.groups[:_MOST_COMPARED] if len(usual.groups) > 1 else ()
    found = await asyncio.gather(*(ask(group) for group in compared))
    return usual, dict(zip(compared, found, strict=True))
