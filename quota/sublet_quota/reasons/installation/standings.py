"""How the service stands with hub, agents and quota document: codes that anybody may read."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class HubStanding(StrEnum):
    """How JupyterHub answers the service."""

    UNASKED = "unasked"
    """It was not asked yet."""
    OK = "ok"
    UNREACHABLE = "unreachable"
    NO_HUB = "no-hub"
    """What answers there is not JupyterHub's API."""
    REFUSES_TOKEN = "refuses-token"  # noqa: S105 - a code
    TOKEN_OF_ANOTHER = "token-of-another"  # noqa: S105 - a code
    """The token is known, and is not that of the service ``sublet``."""
    LACKS_SCOPES = "lacks-scopes"
    """The service's role does not let it see users and servers."""
    CANNOT_STOP_SERVERS = "cannot-stop-servers"
    """It does let it see them, and not stop servers, as admins may want."""
    CANNOT_START_SERVERS = "cannot-start-servers"
    """It does let it see and stop them, and not start those whose turn in line has come."""
    CANNOT_LIST_GROUPS = "cannot-list-groups"
    """It does let it do all that, and does not tell the names of its groups."""


class QuotaStanding(StrEnum):
    """Whether the quota document, as it is now, is in force."""

    OK = "ok"
    REFUSED = "refused"
    """It is wrong: the one before stays in force."""


class AgentRefusal(StrEnum):
    """Why the service did not let an agent in."""

    NO_TOKEN = "no-token"  # noqa: S105 - a code
    """It sent none, or what is none."""
    OTHER_AUDIENCE = "other-audience"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    """Kubernetes, or the folder of secrets, does not know it."""
    OTHER_ACCOUNT = "other-account"
    NO_NODE = "no-node"
    """No node's name is in the token."""
    UNCHECKED = "unchecked"
    """Kubernetes could not be asked about it."""
    PROTOCOL = "protocol"
    """It was let in, and then said what an agent does not say."""


_REFUSED: Final[Mapping[AgentRefusal, str]] = MappingProxyType(
    {
        AgentRefusal.NO_TOKEN: "they send no token: does agent.serviceUrl lead through something "
        "that takes the header Authorization away?",
        AgentRefusal.OTHER_AUDIENCE: "their tokens are not for the audience `sublet`",
        AgentRefusal.EXPIRED: "their tokens have expired by the service's clock: compare the "
        "clocks of the nodes",
        AgentRefusal.UNKNOWN: "Kubernetes does not know their tokens: do agents and service run in "
        "one cluster?",
        AgentRefusal.OTHER_ACCOUNT: "their service account is not the agents': are they of another "
        "release?",
        AgentRefusal.NO_NODE: "no node is named in their tokens, as Kubernetes does from 1.30 on",
        AgentRefusal.UNCHECKED: "the service cannot ask Kubernetes about their tokens: may its "
        "account create TokenReviews, and does a network policy let it reach the API server "
        "(networkPolicies.apiServerPorts)?",
        AgentRefusal.PROTOCOL: "they do not speak as this version of the service expects: are they "
        "of the same image?",
    }
)


def refusal_clause(why: AgentRefusal) -> str:
    """Return why agents are not let in, to stand behind a colon."""
    return _REFUSED[why]
