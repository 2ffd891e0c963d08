"""What was refused: of all for admins, and to each user their own.

Only requests are kept. What merely looks at what there could be (offers, forecasts) is not.
"""

import asyncio
from dataclasses import replace
from typing import Final

from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.wire.refusals import RefusalInfo, RefusalSum

from sublet_hub.errors import BadRequestError
from sublet_hub.ledger.job_order import Place
from sublet_hub.ledger.refusals import CodeSum, RefusalQuery, RefusalRecord
from sublet_hub.usage.csv_table import csv_table
from sublet_hub.usage.refused_groups import by_group, of_groups
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.formats import FORMAT, wants_csv
from sublet_hub.web.routes.owner import BEFORE, OWNER, page_of, refuse_nobody, whose_record
from sublet_hub.web.routes.pages import Listing, Page
from sublet_hub.web.routes.roles import GROUP, groups_asked_for
from sublet_hub.web.routes.route import (
    Access,
    Call,
    FileKind,
    Nature,
    Parameter,
    Route,
    WrittenFile,
)

_MOST: Final = 1000
_GROUP: Final = replace(
    GROUP,
    meaning="Of members of a group of the quota document, and of all below it (its admins, and who "
    "may see all).",
)
_CHOICE: Final = (
    OWNER,
    Parameter("code", Nature.TEXT, f"Only with this code: {', '.join(RefusalReason)}."),
    Parameter("since", Nature.TIME, "Only what was refused later than this time."),
    Parameter("until", Nature.TIME, "Only what was refused earlier than this time."),
)


_BY: Final = Parameter("by", Nature.TEXT, "group: by the groups of those who asked.")


def _query(call: Call, owner: str | None) -> RefusalQuery:
    code = call.text("code")
    if code is not None and code not in set(RefusalReason):
        message = f"?code={code} is none: there are {', '.join(RefusalReason)}"
        raise BadRequestError(message)
    return RefusalQuery(owner, code, call.time("since"), call.time("until"))


async def _refusals(service: ServiceParts, call: Call) -> Page:
    query, limit = _query(call, whose_record(call)), call.number("limit", _MOST, _MOST)
    await service.refusals.store()

    def older(before: Place | None, most: int) -> tuple[RefusalRecord, ...]:
        return service.refusals.newest(query, before, most)

    listing: Listing[RefusalRecord] = Listing(
        older, lambda each: (each.last_at, each.refusal_id), _info, "refusals"
    )
    page = await page_of(service, call, listing, limit)
    if not page.entries:
        await refuse_nobody(service, call, whose_record(call))
    return page


async def _sums(service: ServiceParts, call: Call) -> tuple[RefusalSum, ...] | WrittenFile:
    as_csv, by_groups = wants_csv(call), _is_by_group(call)
    groups = groups_asked_for(service, call)
    # Of their groups admins of these see all, whoever it was.
    owner = whose_record(call) if groups is None else call.text(OWNER.name)
    query, document = _query(call, owner), service.quota.document
    if by_groups:
        asked = await service.refusals.of_askers(query)
        found = await asyncio.to_thread(by_group, asked, document, groups)
        sums = tuple(_sum(each.sum, each.group) for each in found)
    elif groups is not None:
        asked = await service.refusals.of_askers(query)
        of_them = await asyncio.to_thread(of_groups, asked, document, groups)
        sums = tuple(map(_sum, of_them))
    else:
        sums = tuple(map(_sum, await service.refusals.sums(query)))
    if not as_csv:
        return sums
    columns = tuple(name for name in RefusalSum.model_fields if by_groups or name != "group")
    written = (each.model_dump(mode="json") for each in sums)
    rows = ([each[name] for name in columns] for each in written)
    return WrittenFile(csv_table(columns, rows), "refusals.csv")


def _info(record: RefusalRecord) -> RefusalInfo:
    return RefusalInfo.model_validate(record, from_attributes=True)


def _is_by_group(call: Call) -> bool:
    by = call.text(_BY.name)
    if by not in {None, "group"}:
        message = f"?by={by} is none: there is group"
        raise BadRequestError(message)
    return by is not None


def _sum(found: CodeSum, group: str | None = None) -> RefusalSum:
    return RefusalSum(
        code=found.code,
        times=found.times,
        owners=found.owners,
        last_at=found.last_at,
        group=group,
    )


REFUSAL_ROUTES = (
    Route(
        "GET",
        "refusals",
        Access.USER,
        "What was refused to me, the newest first; to all for admins",
        _refusals,
        tuple[RefusalInfo, ...],
        parameters=(
            *_CHOICE,
            Parameter("limit", Nature.NUMBER, f"At most so many; {_MOST} at most."),
            BEFORE,
        ),
        refusals=(400, 404),
    ),
    Route(
        "GET",
        "refusals/sums",
        Access.USER,
        "How often each code was told when something was refused, and to how many",
        _sums,
        tuple[RefusalSum, ...],
        parameters=(*_CHOICE, _BY, FORMAT, _GROUP),
        refusals=(400, 404),
        files=(FileKind.CSV,),
    ),
)
