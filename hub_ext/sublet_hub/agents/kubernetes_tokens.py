"""Agents on Kubernetes: whose token it is, and on which node, as the API server says.

An agent's pod has a projected service account token for the audience ``sublet``. Any pod can get
such a token for its own account, so the account counts: the agents' alone. The node is the one
that the API server wrote into the token. Answers are kept briefly; what cannot be a token of
ours is not asked about, and the others only so often: each address for itself, and all addresses
together that no agent has come from before. So nobody who makes up tokens keeps agents away.
"""

import asyncio
import base64
import binascii
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sublet_quota.names.ids import NodeId
from sublet_quota.reasons.installation.standings import AgentRefusal

from sublet_hub.agents.identity import AgentIdentity, IdentityUnknownError
from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.kubernetes_api.errors import KubeError
from sublet_hub.kubernetes_api.resources import TOKEN_REVIEWS, Manifest
from sublet_hub.security.rate_limits import Rate, RateLimits

AUDIENCE: Final = "sublet"
NODE_NAME: Final = "authentication.kubernetes.io/node-name"
_LOG = logging.getLogger(__name__)
_KEPT: Final = timedelta(seconds=30)
_MOST_KEPT: Final = 10_000
_MOST_PART: Final = 8192
_AT_ONCE: Final = 8
_QUESTIONS: Final = Rate(burst=200, per_s=20)
"""The rate for all addresses together from which no agent has come yet."""
_IN_VAIN: Final = Rate(burst=10, per_s=0.5)
"""The rate for one address of questions whose answer is that the token is no agent's."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The service account that pods run under."""

    namespace: str
    name: str

    @property
    def user_name(self) -> str:
        """The account's name as the API server writes it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


@dataclass(frozen=True, slots=True)
class _Kept:
    identity: AgentIdentity | AgentRefusal
    until: datetime


class AgentTokens:
    """The API server's word on the tokens of agents, kept briefly."""

    def __init__(
        self,
        api: KubeApi,
        account: ServiceAccount,
        now: Callable[[], datetime],
        questions: Rate = _QUESTIONS,
    ) -> None:
        self._api = api
        self._account = account
        self._now = now
        self._questions = RateLimits(questions)
        self._in_vain = RateLimits(_IN_VAIN)
        self._agents_from: OrderedDict[str, None] = OrderedDict()
        self._asking = asyncio.Semaphore(_AT_ONCE)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def identify(self, proof: str, address: str) -> AgentIdentity | AgentRefusal:
        """Return whose agent has this token, or why it is none's.

        ``IdentityUnknownError`` where nobody can say now.
        """
        now = self._now()
        claims = _claims(proof)
        if claims is None:
            return AgentRefusal.NO_TOKEN
        refusal = _why_not_for_us(claims, now)
        if refusal is not None:
            return refusal
        key = hashlib.sha256(proof.encode()).hexdigest()
        known = self._kept.get(key)
        if known is not None and now < known.until:
            return known.identity
        self._take_question(address, now)
        async with self._asking:
            identity = await self._ask(proof, claims)
        self._keep(key, identity, self._now())
        if isinstance(identity, AgentIdentity):
            self._in_vain.give_back(address)
            self._remember(address)
        return identity

    def _take_question(self, address: str, now: datetime) -> None:
        """Take a question of the address's own first: with none left, none of the others' is taken.

        ``IdentityUnknownError`` where there is none to take.
        """
        wait_s = self._in_vain.take_or_wait_s(address, now.timestamp())
        if wait_s == 0 and address not in self._agents_from:
            wait_s = self._questions.take_or_wait_s("", now.timestamp())
        if wait_s > 0:
            message = "too many tokens to ask Kubernetes about: try again"
            raise IdentityUnknownError(message)

    def _remember(self, address: str) -> None:
        self._agents_from[address] = None
        self._agents_from.move_to_end(address)
        while len(self._agents_from) > _MOST_KEPT:
            self._agents_from.popitem(last=False)

    async def _ask(self, token: str, claims: dict[str, Any]) -> AgentIdentity | AgentRefusal:
        review = TOKEN_REVIEWS.manifest({}, spec={"token": token, "audiences": [AUDIENCE]})
        try:
            answer = await self._api.create(TOKEN_REVIEWS, None, review)
        except KubeError as error:
            _LOG.error("an agent cannot be identified: %s", error)
            message = "Kubernetes cannot be asked about the token now: try again"
            raise IdentityUnknownError(message) from error
        node = self._node_of(answer.get("status") or {})
        if isinstance(node, AgentRefusal):
            return node
        return AgentIdentity(node, datetime.fromtimestamp(claims["exp"], UTC))

    def _node_of(self, status: Manifest) -> NodeId | AgentRefusal:
        if not status.get("authenticated") or AUDIENCE not in list(status.get("audiences") or []):
            _LOG.warning("Kubernetes does not know an agent's token: %.200s", status.get("error"))
            return AgentRefusal.UNKNOWN
        user = status.get("user") or {}
        if user.get("username") != self._account.user_name:
            _LOG.warning(
                "%.200s is not the agents' account, which is %s",
                user.get("username"),
                self._account.user_name,
            )
            return AgentRefusal.OTHER_ACCOUNT
        names: list[str] = list((user.get("extra") or {}).get(NODE_NAME) or ())
        if len(names) != 1 or not names[0]:
            _LOG.error(
                "the token of %s names no node: it must be a pod's projected token, of "
                "Kubernetes 1.30 or newer",
                self._account.user_name,
            )
            return AgentRefusal.NO_NODE
        return NodeId(str(names[0]))

    def _keep(self, key: str, identity: AgentIdentity | AgentRefusal, now: datetime) -> None:
        self._kept[key] = _Kept(identity, now + _KEPT)
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)


def _claims(token: str) -> dict[str, Any] | None:
    """Return what a token says of itself, believed by nobody: it only saves questions."""
    parts = token.split(".")
    if len(parts) != 3 or len(parts[1]) > _MOST_PART:  # noqa: PLR2004 - header, claims, signature
        return None
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def _why_not_for_us(claims: dict[str, Any], now: datetime) -> AgentRefusal | None:
    audience, expires = claims.get("aud"), claims.get("exp")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or AUDIENCE not in named:
        return AgentRefusal.OTHER_AUDIENCE
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        return AgentRefusal.NO_TOKEN
    if not now.timestamp() < expires < (now + timedelta(days=3660)).timestamp():
        return AgentRefusal.EXPIRED
    return None
