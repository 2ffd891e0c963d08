"""Budgets: what is spent of each in its period, and what is left."""

from sublet_quota.names import scopes
from sublet_quota.wire.budget import BudgetList

from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.owner import (
    OWNER,
    charged,
    groups_asked_for,
    whose_record,
)
from sublet_hub.web.routes.roles import GROUP
from sublet_hub.web.routes.roles import groups_asked_for as groups_seen
from sublet_hub.web.routes.route import Access, Call, Route
from sublet_hub.web.routes.told import paying_groups


async def _budgets(service: ServiceParts, call: Call) -> BudgetList:
    groups_asked = groups_seen(service, call)
    if groups_asked is not None:
        with charged(service, call):
            budgets = service.budgets.all()
        own = tuple(each for each in budgets if each.group in groups_asked)
        if not call.user.sees_all:
            # On which line it stands hangs on what is said of others.
            own = tuple(each.model_copy(update={"line": None}) for each in own)
        return BudgetList(budgets=own)
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
        parameters=(OWNER, GROUP),
        refusals=(404,),
    ),
)
