"""The record of a route of the API, from which handler, limits and OpenAPI all come."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError
from sublet_quota.names.ids import UserName
from sublet_quota.reasons.moments import moment_words, said_moment_words
from sublet_quota.reasons.refusal import Refusal, quoted
from sublet_quota.wire.schema import WireModel

from sublet_hub.errors import BadRequestError, NotAllowedError
from sublet_hub.ledger.job_order import Place
from sublet_hub.security.authentication import Caller
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.pages import read_place

_TIME: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
_LOST_PLUS: Final = re.compile(r" [0-9]{2}:?[0-9]{2}\Z")
"""A zone whose plus an address has told as a space."""
_CONTROL: Final = re.compile("[\0-\x1f\x7f]")
PATH_PART: Final = "[A-Za-z0-9._-]{1,64}"
"""What stands in a variable part of a path: other addresses are of nothing."""
_MOST_VALUES = 200
_MOST_LENGTH = 255
_MOST_PLACE_LENGTH = 300
"""An id has up to 255 characters, and its time stands before it."""

Body = TypeVar("Body", bound=WireModel)


class Access(StrEnum):
    """Who may call a route."""

    HUB = "hub"
    """The hub, or whoever else has the service's own token."""
    USER = "user"
    """Users and servers by their scopes, for their own things; admins for all."""
    ADMIN = "admin"


class Role(StrEnum):
    """What a caller is to Sublet; each sees and does what the ones after it do, too."""

    ADMIN = "admin"
    READER = "reader"
    """Sees all that admins see, and changes nothing."""
    GROUP_ADMIN = "group-admin"
    """Sees groups of the quota document with all below them, and sets what is below them."""
    USER = "user"


class Nature(StrEnum):
    """The way in which a query parameter is read."""

    TEXT = "text"
    TEXTS = "texts"
    NUMBER = "number"
    TIME = "time"
    PLACE = "place"
    """Where the next page of a list begins."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter."""

    name: str
    nature: Nature
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in and read."""

    caller: Caller | None
    """The user or server that calls; ``None``: the hub itself."""
    path: dict[str, str]
    query: dict[str, list[str]]
    body: WireModel | None

    def body_as(self, model: type[Body]) -> Body:
        """Return the body, which the route's entry promises to be of this model."""
        if not isinstance(self.body, model):
            message = f"a body of type {model.__name__} is needed"
            raise BadRequestError(message)
        return self.body

    @property
    def user(self) -> Caller:
        """The caller of a route for users and admins."""
        if self.caller is None:
            message = "this is for users: call with a user's token"
            raise NotAllowedError(message)
        return self.caller

    def owner(self, scope: str) -> UserName:
        """Return whose things are asked for: the caller's, or those of ``?owner=``.

        For what only looks: who may see all may name anybody.
        """
        asked = self.text("owner")
        caller = self.user
        owner = caller.name if asked is None else asked
        if not (caller.sees_all or caller.may(scope, owner)):
            raise not_of(caller, scope, owner)
        return UserName(owner)

    def text(self, name: str) -> str | None:
        """Return a query parameter; ``None`` when it was not given. ``BadRequestError``."""
        values = self.texts(name)
        if values and not values[-1]:
            message = f"?{name}= is empty: give a value, or leave it out"
            raise BadRequestError(message)
        return values[-1] if values else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return all values of a query parameter. ``BadRequestError``."""
        return self._texts(name, _MOST_LENGTH)

    def _texts(self, name: str, most_length: int) -> tuple[str, ...]:
        values = self.query.get(name, [])
        if len(values) > _MOST_VALUES or any(len(v) > most_length for v in values):
            message = f"?{name}= has too many values, or one that is too long"
            raise BadRequestError(message)
        if any(_CONTROL.search(value) for value in values):
            message = f"?{name}= has control characters: leave them out"
            raise BadRequestError(message)
        return tuple(values)

    def place(self, name: str) -> Place | None:
        """Return where a page begins; ``None`` for the first. ``BadRequestError``."""
        values = self._texts(name, _MOST_PLACE_LENGTH)
        return read_place(values[-1]) if values else None

    def number(self, name: str, default: int, most: int) -> int:
        """Return a query parameter from 0 to ``most``. ``BadRequestError``."""
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and int(text) <= most):
            message = f"?{name}={text} is not possible: give a whole number from 0 to {most}"
            raise BadRequestError(message)
        return int(text)

    def time(self, name: str) -> datetime | None:
        """Return a query parameter that is a time and zone, or ``None``. ``BadRequestError``."""
        text = self.text(name)
        if text is None:
            return None
        try:
            # What is in the year 1, or 9999, may lie outside of it in another zone.
            return _TIME.validate_python(text).astimezone(UTC)
        except (ValidationError, OverflowError) as error:
            message = f"?{name}={text} is no time with a zone: write 2026-11-24T09:30:00Z"
            # What an address has for a space.
            message += ", and a + as %2B" if _LOST_PLUS.search(text) else ""
            raise BadRequestError(message) from error

    def time_words(self, name: str, moment: datetime) -> str:
        """Return a moment as a query parameter that is a time says it, and in UTC."""
        return said_moment_words(self.text(name) or moment_words(moment), moment)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An answer to a request that is taken in, and waits: 202 with the route's ``waits``."""

    body: WireModel


@dataclass(frozen=True, slots=True)
class Counted:
    """The first entries of a list, and how many the whole of it has."""

    first: tuple[WireModel, ...]
    total: int


class FileKind(StrEnum):
    """As what a file an answer may be asked for."""

    CSV = "text/csv"
    TEXT = "text/plain"
    HTML = "text/html"


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """An answer that is a file, written beside the loop."""

    body: bytes
    name: str
    kind: FileKind = FileKind.CSV


Operation = Callable[[ServiceParts, Call], Awaitable[Any | Refusal | None]]


@dataclass(frozen=True, slots=True)
class Route:
    """A method on a path, below ``api/``."""

    method: str
    path: str
    """The path, with ``{names}`` for its variable parts."""
    access: Access
    summary: str
    operation: Operation
    answer: Any
    """The type of the answer's body; ``None`` for an answer without one. A ``Page`` is a list, and
    ``bytes`` are a body that was written beside the loop."""
    body: type[WireModel] | None = None
    status: int = 200
    waits: type[WireModel] | None = None
    """The type of the body with which it is told that a request waits (``Accepted``)."""
    parameters: tuple[Parameter, ...] = ()
    most_body_bytes: int = 64 * 1024
    refusals: tuple[int, ...] = field(default=())
    """The statuses of 4xx that are special to the route."""
    counts_by_size: bool = True
    """Whether a large answer counts as several requests; not where a file is but read and sent."""
    files: tuple[FileKind, ...] = ()
    """As which ``WrittenFile`` the answer may be had, where it is asked for."""
    also: frozenset[Role] = field(default=frozenset())
    """Who else may call a route for admins; admins of groups see and set of it what is theirs."""
    asks_hub_anew: bool = False
    """Whether nothing kept about the token is believed: a right that was just taken away counts."""


def not_of(caller: Caller, scope: str, owner: str) -> NotAllowedError:
    """Return the refusal for who may not see, or do, what is ``owner``'s."""
    if owner == caller.name:
        return NotAllowedError(f"this token lacks the scope {scope}!user={owner}")
    return NotAllowedError(
        f"only {quoted(owner)} and admins may ask for this, and you are {quoted(caller.name)}"
    )
