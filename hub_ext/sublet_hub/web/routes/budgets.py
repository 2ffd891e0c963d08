"""Budgets: what is spent of each in its period, and what is left."""

from sublet_quota.names import scopes
from sublet_quota.wire.budget import BudgetList

from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.owner import (
    OWNER,
    charged,
    groups_asked_for,
    paying_groups,
    whose_record,
)
from sublet_hub.web.routes.route import Access, Call, Route


async def _budgets(service: ServiceParts, call: Call) -> BudgetList:
    if whose_record(call) is None:
        with charged(service, call):
            return BudgetList(budgets=service.budgets.all())
    owner = call.owner(scopes.READ)
    groups = await groups_asked_for(service, call, owner)
    with charged(service, call):
        paying = paying_groups(service, owner, groups or ())
        return BudgetList(budgets=service.budgets.of(owner, paying))


BUDGET_ROUTES = (
    Route(
        "GET",
        "budgets",
        Access.USER,
        "What is left of my budgets, and of my groups'; of all for admins",
        _budgets,
        BudgetList,
        parameters=(OWNER,),
        refusals=(404,),
    ),
)
