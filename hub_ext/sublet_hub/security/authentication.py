"""Authentication by JupyterHub's tokens and OAuth, with answers kept for 30 seconds.

HubOAuth's own checks (state, PKCE, XSRF) are left as they are; only where answers are kept is
Sublet's, in bounded memory, because HubOAuth's cache has no bound and keeps them for five minutes.
For an admin's change nothing kept is believed.
"""

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyterhub.services.auth import (  # type: ignore[import-untyped]
    HubOAuth,
    check_scopes,
)
from sublet_quota.names import scopes
from tornado.web import HTTPError
from traitlets import Instance, default

from sublet_hub.errors import HubUnreachableError
from sublet_hub.security.token_checks import TokenLookups

KEPT_S = 30.0
_REFUSED_KEPT_S = 5.0
_MOST_KEPT = 10_000
_ANSWER_S = 10.0

UserModel = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """A user or service of the hub, with what their token may do."""

    name: str
    kind: str
    groups: tuple[str, ...]
    scopes: frozenset[str]

    def may(self, scope: str, owner: str, server: str | None = None) -> bool:
        """Whether the token has ``scope`` for this owner's things (or one server's)."""
        required = {f"{scope}!user={owner}"}
        if server is not None:
            required.add(f"{scope}!server={owner}/{server}")
        return bool(check_scopes(required, set(self.scopes)))

    @property
    def is_admin(self) -> bool:
        """Whether the token has Sublet's admin scope."""
        return bool(check_scopes({scopes.ADMIN}, set(self.scopes)))

    @property
    def may_enter(self) -> bool:
        """Whether the token may call this service at all."""
        return bool(check_scopes({f"access:services!service={scopes.SERVICE_NAME}"}, self.scopes))


def caller_of(model: UserModel) -> Caller:
    """Return the caller that the hub's answer describes."""
    return Caller(
        name=model["name"],
        kind=model.get("kind", "user"),
        groups=tuple(model.get("groups") or ()),
        scopes=frozenset(model.get("scopes") or ()),
    )


class KeptAnswers:
    """The hub's answers by the token's digest: a bounded number, each for a bounded time."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, tuple[float, UserModel | None]] = OrderedDict()
        self._good: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, digest: str, monotonic_s: float) -> tuple[UserModel | None] | None:
        """Return the answer (in a tuple, since it can be ``None``); ``None`` when it is too old."""
        found = self._answers.get(digest)
        if found is None:
            return None
        kept_at, model = found
        if monotonic_s - kept_at > (_REFUSED_KEPT_S if model is None else KEPT_S):
            del self._answers[digest]
            return None
        return (model,)

    def keep(self, digest: str, model: UserModel | None, monotonic_s: float) -> None:
        """Keep an answer, forgetting the oldest beyond the bound."""
        self._answers[digest] = (monotonic_s, model)
        self._answers.move_to_end(digest)
        while len(self._answers) > _MOST_KEPT:
            self._answers.popitem(last=False)
        if model is None:
            self._good.pop(digest, None)
        else:
            self._good[digest] = f"{model.get('kind', 'user')}:{model['name']}"
            self._good.move_to_end(digest)
        while len(self._good) > _MOST_KEPT:
            self._good.popitem(last=False)

    def last_user(self, digest: str) -> str | None:
        """Return whose token it was when the hub was asked last; ``None``: nobody's."""
        return self._good.get(digest)

    def forget(self, digest: str) -> None:
        """Drop the answer about a token: the hub is asked again next time."""
        self._answers.pop(digest, None)


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

    def _get_token_url(self, handler: Any) -> str:
        """Return ``""``: no token is taken from a URL, since URLs end up in logs and histories."""
        del handler
        return ""

    def is_service_token(self, token: str) -> bool:
        """Whether this is the service's own token, which besides the service only the hub has."""
        return hmac.compare_digest(token.encode(), self.api_token.encode())

    def was_known(self, token: str) -> bool:
        """Whether the hub knew this token when it was asked last."""
        return self.answers.last_user(_digest(token)) is not None

    def forget_token(self, token: str) -> None:
        """Believe nothing kept about this token."""
        self.answers.forget(_digest(token))

    async def _identify(self, token: str, session_id: str, use_kept: bool) -> UserModel | None:  # noqa: FBT001
        del session_id
        digest = _digest(token)
        kept = self.answers.get(digest, time.monotonic()) if use_kept else None
        if kept is not None:
            return kept[0]
        model = await self._ask_hub(token, self.answers.last_user(digest))
        self.answers.keep(digest, model, time.monotonic())
        return model

    async def _ask_hub(self, token: str, last_user: str | None) -> UserModel | None:
        try:
            async with asyncio.timeout(_ANSWER_S), self.lookups.turn_of(last_user):
                model: UserModel | None = await self._check_hub_authorization(
                    url=f"{self.api_url.rstrip('/')}/user", api_token=token, use_cache=False
                )
                return model
        except (HTTPError, TimeoutError) as error:
            message = "JupyterHub does not answer, so nobody can be identified: try again"
            raise HubUnreachableError(message) from error


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
