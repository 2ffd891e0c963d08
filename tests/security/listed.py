"""All mutants, and the rules that have none."""

from collections.abc import Mapping
from typing import Final

from tests.security.mutant import Mutant
from tests.security.mutants import (
    admission,
    agent_deaths,
    agents,
    cluster,
    compute_turns,
    driver_limits,
    files,
    floods_of_agent,
    floods_of_connections,
    floods_of_service,
    floods_of_storage,
    floods_of_wishes,
    kept_secrets,
    left_behind,
    page_to_service,
    parts,
    quota_texts,
    ranks,
    roles,
    server_line,
    tenant_to_admins,
    tenant_to_agent,
    tenant_to_service,
    things_of_others,
    told_by_agents,
    turns,
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    *tenant_to_agent.MUTANTS,
    *agent_deaths.MUTANTS,
    *ranks.MUTANTS,
    *turns.MUTANTS,
    *compute_turns.MUTANTS,
    *driver_limits.MUTANTS,
    *left_behind.MUTANTS,
    *tenant_to_service.MUTANTS,
    *tenant_to_admins.MUTANTS,
    *things_of_others.MUTANTS,
    *roles.MUTANTS,
    *parts.MUTANTS,
    *quota_texts.MUTANTS,
    *files.MUTANTS,
    *floods_of_service.MUTANTS,
    *floods_of_wishes.MUTANTS,
    *floods_of_connections.MUTANTS,
    *floods_of_storage.MUTANTS,
    *floods_of_agent.MUTANTS,
    *kept_secrets.MUTANTS,
    *page_to_service.MUTANTS,
    *agents.MUTANTS,
    *told_by_agents.MUTANTS,
    *cluster.MUTANTS,
    *admission.MUTANTS,
    *server_line.MUTANTS,
)
WITHOUT: Final[Mapping[int, str]] = {}
"""The rules that have no mutant, and why; who builds what can be switched off takes them out."""
