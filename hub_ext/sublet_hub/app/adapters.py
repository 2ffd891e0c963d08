"""The outside systems that the service speaks to, and what follows from which they are."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.wire.quota import KeptIn

from sublet_hub.agents.departed_nodes import ClusterNodes
from sublet_hub.agents.identity import AgentIdentities
from sublet_hub.errors import ConfigurationError
from sublet_hub.jobs.backend import JobRuns
from sublet_hub.jobs.order.job_nodes import JobNodes
from sublet_hub.ledger.database import Database, LedgerReadError, LedgerWriteError
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.over_cap_notices import OverCapNotices
from sublet_hub.ledger.quota_revisions import QuotaRevisionStore
from sublet_hub.settings import ServiceSettings
from sublet_hub.slices.home_volumes import Homes, node_of_home
from sublet_hub.slices.jupyterhub_client import HubClient
from sublet_hub.slices.over_caps import OverCaps
from sublet_hub.slices.over_caps_of_before import take_over
from sublet_hub.state.fleet import Fleet
from sublet_hub.state.owner_accounts import OwnerAccounts
from sublet_hub.state.quota_documents.in_database import QuotaInDatabase
from sublet_hub.state.quota_documents.source import QuotaSource
from sublet_hub.state.quota_file import QuotaFile
from sublet_hub.state.stores import Stores


@dataclass(frozen=True, slots=True)
class Adapters:
    """The outside systems that the service speaks to."""

    database: Database
    hub: HubClient
    agents: AgentIdentities
    now: Callable[[], datetime]
    runs: JobRuns | None = None
    """The backend that runs jobs; ``None``: as processes of this machine."""
    nodes: ClusterNodes | None = None
    """The cluster's nodes; ``None``: those that agents report."""


def quota_of(settings: ServiceSettings, adapters: Adapters) -> QuotaSource:
    """Return where the quota document is kept. ``QuotaFileError``, ``ConfigurationError``."""
    if settings.quota_source is KeptIn.FILE:
        return QuotaFile(settings.quota_file, adapters.now)
    store = QuotaRevisionStore(adapters.database)
    try:
        return QuotaInDatabase(store, settings.quota_file, adapters.now, settings.most_of_part)
    except (LedgerReadError, LedgerWriteError) as error:
        message = f"the quota document cannot be had from the database: {error}"
        raise ConfigurationError(message) from error


def over_caps_of(settings: ServiceSettings, adapters: Adapters, stores: Stores) -> OverCaps:
    """Return who is over their cap, as the ledger knows it, or a file of before does."""
    notices = OverCapNotices(adapters.database)
    take_over(settings.state_folder, notices)
    return OverCaps(stores, adapters.hub, notices)


def nodes_and_homes(
    runs: JobRuns | None, fleet: Fleet, ledger: Ledger, accounts: OwnerAccounts
) -> tuple[JobNodes, Homes | None]:
    """Return on which nodes jobs may run, and the homes, where a node has one to itself."""
    if runs is None:
        return JobNodes(fleet.is_here), None
    if runs.home_is_shared:
        return JobNodes(lambda _: True, takes=runs.takes), None
    nodes = JobNodes(lambda _: True, lambda owner: node_of_home(ledger, owner), runs.takes)
    return nodes, Homes(ledger, accounts)
