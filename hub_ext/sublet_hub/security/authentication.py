"""Authentication by JupyterHub's tokens and OAuth, with answers kept for 30 seconds.

HubOAuth's own checks (state, PKCE, XSRF) are left as they are; only where answers are kept is
Sublet's, in bounded memory, because HubOAuth's cache has no bound and keeps them for five minutes.
For an admin's change nothing kept is believed. False tokens push no good one's answer out.
"""

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from jupyterhub.services.auth import (  # type: ignore[import-untyped]
    HubOAuth,
    check_scopes,
)
from sublet_quota.document.administered.groups import GroupClaims
from sublet_quota.names import scopes
from tornado.web import HTTPError
from traitlets import Instance, default

from sublet_hub.errors import HubUnreachableError
from sublet_hub.security.client_address import network_of, peer_of
from sublet_hub.security.local_peers import LOCAL_PEERS, LocalPeers
from sublet_hub.security.question_queue import Origin
from sublet_hub.security.token_checks import TokenLookups

KEPT_S = 30.0
_REFUSED_KEPT_S = 5.0
_MOST_KEPT = 10_000
_MOST_LOGINS: Final = 10_000
_ANSWER_S = 10.0

_ORIGIN: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 - it is frozen
"""Where the request comes from that is being answered: JupyterHub's code does not hand it on."""

UserModel = Mapping[str, Any]
_OF_A_GROUP: Final = "!group="
"""A scope for who is in a group, which the hub alone knows: here it is nobody's, and JupyterHub's
check would write a warning for each name that is asked for. Only ``QUOTA`` means the group itself.
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """A user or service of the hub, with what their token may do."""

    name: str
    kind: str
    groups: tuple[str, ...] | None
    """``None``: the hub does not say. None at all is something else: who left their last group."""
    scopes: frozenset[str]
    quota_groups: frozenset[str] = frozenset()
    """The hub's groups that the token's ``QUOTA`` names."""

    @property
    def key(self) -> str:
        """By what all requests of the same user or service are counted together."""
        return f"{self.kind}:{self.name}"

    def may(self, scope: str, owner: str, server: str | None = None) -> bool:
        """Whether the token has ``scope`` for this owner's things (or one server's)."""
        required = {f"{scope}!user={owner}"}
        if server is not None:
            required.add(f"{scope}!server={owner}/{server}")
        return bool(check_scopes(required, set(self.scopes)))

    @property
    def server(self) -> str | None:
        """The notebook server whose own token this is; ``None``: it is a person's, or a service's.

        A server's token may act for this one alone (its name is empty for the default one).
        """
        of_one = f"{scopes.ACTIVITY}!server={self.name}/"
        servers = [each.removeprefix(of_one) for each in self.scopes if each.startswith(of_one)]
        if len(servers) != 1 or self.may(scopes.ACTIVITY, self.name):
            return None
        return servers[0]

    @property
    def is_admin(self) -> bool:
        """Whether the token has Sublet's admin scope."""
        return bool(check_scopes({scopes.ADMIN}, set(self.scopes)))

    @property
    def sees_all(self) -> bool:
        """Whether the token may see all that admins see: theirs, or one that reads everybody's."""
        return self.is_admin or bool(check_scopes({scopes.READ}, set(self.scopes)))

    @property
    def claims(self) -> GroupClaims:
        """By what the token may be an admin of groups of the quota document.

        The document names users of the hub, no services; and a token acts for its user in this
        only where it has the scope: a notebook server's, which its kernels know, has not.
        """
        acts = self.kind == "user" and self.may(scopes.QUOTA, self.name)
        return GroupClaims(
            hub_groups=self.quota_groups,
            every_group=bool(check_scopes({scopes.QUOTA}, set(self.scopes))),
            user=self.name if acts else None,
            member_of=frozenset(self.groups or ()) if acts else frozenset(),
        )

    @property
    def may_enter(self) -> bool:
        """Whether the token may call this service at all."""
        return bool(check_scopes({f"access:services!service={scopes.SERVICE_NAME}"}, self.scopes))


def caller_of(model: UserModel) -> Caller:
    """Return the caller that the hub's answer describes."""
    groups, held = model.get("groups"), tuple(model.get("scopes") or ())
    of_quota = f"{scopes.QUOTA}{_OF_A_GROUP}"
    return Caller(
        name=model["name"],
        kind=model.get("kind", "user"),
        groups=None if groups is None else tuple(groups),
        scopes=frozenset(each for each in held if _OF_A_GROUP not in each),
        quota_groups=frozenset(
            each.removeprefix(of_quota) for each in held if each.startswith(of_quota)
        ),
    )


class KeptAnswers:
    """The hub's answers by the token's digest: a bounded number, each for a bounded time."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, tuple[float, UserModel]] = OrderedDict()
        self._refused: OrderedDict[str, float] = OrderedDict()
        self._good: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers) + len(self._refused)

    def get(self, digest: str, monotonic_s: float) -> tuple[UserModel | None] | None:
        """Return the answer (in a tuple, since it can be ``None``); ``None`` when it is too old."""
        refused_at = self._refused.get(digest)
        if refused_at is not None:
            if monotonic_s - refused_at <= _REFUSED_KEPT_S:
                return (None,)
            del self._refused[digest]
        found = self._answers.get(digest)
        if found is None:
            return None
        kept_at, model = found
        if monotonic_s - kept_at > KEPT_S:
            del self._answers[digest]
            return None
        return (model,)

    def keep(self, digest: str, model: UserModel | None, monotonic_s: float) -> None:
        """Keep an answer, forgetting the oldest of its kind beyond the bound."""
        self.forget(digest)
        if model is None:
            self._refused[digest] = monotonic_s
            self._good.pop(digest, None)
        else:
            self._answers[digest] = (monotonic_s, model)
            self._good[digest] = f"{model.get('kind', 'user')}:{model['name']}"
            self._good.move_to_end(digest)
        for kept in (self._answers, self._refused, self._good):
            while len(kept) > _MOST_KEPT:
                kept.popitem(last=False)

    def last_user(self, digest: str) -> str | None:
        """Return whose token it was when the hub was asked last; ``None``: nobody's."""
        return self._good.get(digest)

    def forget(self, digest: str) -> None:
        """Drop the answer about a token: the hub is asked again next time."""
        self._answers.pop(digest, None)
        self._refused.pop(digest, None)


class ServiceAuth(HubOAuth):  # type: ignore[misc]
    """HubOAuth that keeps few answers for a short time, and asks few things at once."""

    answers = Instance(KeptAnswers)
    lookups = Instance(TokenLookups)

    @default("answers")
    def _default_answers(self) -> KeptAnswers:
        return KeptAnswers()

    @default("lookups")
    def _default_lookups(self) -> TokenLookups:
        return TokenLookups()

    def user_for_token(
        self,
        token: str,
        use_cache: bool = True,  # noqa: FBT001, FBT002 - JupyterHub's signature
        session_id: str = "",
        *,
        sync: bool = True,
    ) -> Any:
        """Return the user that the hub knows by this token; never from JupyterHub's own cache."""
        return self._call_coroutine(sync, self._identify, token, session_id, use_cache)

    async def _get_user(self, handler: Any) -> Any:
        request = handler.request
        peers: LocalPeers | None = handler.settings.get(LOCAL_PEERS)
        peer = network_of(peer_of(request)) if peers is None else peers.name_of(request)
        _ORIGIN.set(Origin(peer, network_of(str(request.remote_ip))))
        return await super()._get_user(handler)

    def _get_token_url(self, handler: Any) -> str:
        """Return ``""``: no token is taken from a URL, since URLs end up in logs and histories."""
        del handler
        return ""

    def generate_state(self, next_url: str | None = None, **extra_state: Any) -> str:
        """Begin a login as JupyterHub does; of too many under way the oldest is forgotten.

        Nobody is known yet who begins one, and JupyterHub keeps each for ten minutes.
        """
        states = self._oauth_states
        while len(states) >= _MOST_LOGINS:
            oldest = next(iter(states.values))
            del states.values[oldest], states.timestamps[oldest]
        state: str = super().generate_state(next_url, **extra_state)
        return state

    def is_service_token(self, token: str) -> bool:
        """Whether this is the service's own token, which besides the service only the hub has."""
        return hmac.compare_digest(token.encode(), self.api_token.encode())

    def forget_token(self, token: str) -> None:
        """Believe nothing kept about this token."""
        digest = _digest(token)
        self.answers.forget(digest)
        self.lookups.ask_anew(digest)

    async def _identify(self, token: str, session_id: str, use_kept: bool) -> UserModel | None:  # noqa: FBT001
        del session_id
        digest = _digest(token)
        kept = self.answers.get(digest, time.monotonic()) if use_kept else None
        if kept is not None:
            return kept[0]
        user = self.answers.last_user(digest)
        if user is not None:
            async with self._patience(), self.lookups.turn_of_user(user):
                model = await self._ask_hub(token)
                self.answers.keep(digest, model, time.monotonic())
                return model

        async def ask() -> UserModel | None:
            async with self._patience():
                model = await self._ask_hub(token)
            # By who asks, so that it is kept even when who sent the token is gone.
            self.answers.keep(digest, model, time.monotonic())
            return model

        answer: UserModel | None = await self.lookups.ask_of_stranger(digest, _ORIGIN.get(), ask)
        return answer

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_ANSWER_S):
                yield
        except (HTTPError, TimeoutError) as error:
            message = "JupyterHub does not answer, so nobody can be identified: try again"
            raise HubUnreachableError(message) from error

    async def _ask_hub(self, token: str) -> UserModel | None:
        model: UserModel | None = await self._check_hub_authorization(
            url=f"{self.api_url.rstrip('/')}/user", api_token=token, use_cache=False
        )
        return model


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
