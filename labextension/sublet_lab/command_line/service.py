"""The hub service, as the command line asks it."""

import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import responses
from pathlib import Path
from typing import Any, Final, Generic, NoReturn, TypeVar
from urllib.parse import urlencode

import click
from pydantic import TypeAdapter, ValidationError
from sublet_quota.wire.api import Problem
from sublet_quota.wire.schema import WireModel

from sublet_lab.command_line.tables import plain, print_json, wants_json
from sublet_lab.service_calls import (
    ServiceAddressError,
    ServiceAnswer,
    ServiceAwayError,
    api_address,
    call_service,
)

_TIMEOUT_S = 30.0
_BUSY_PATIENCE_S = 120
"""How long a question may wait altogether for a service that says to ask later."""
MOST_OF_A_PAGE = 1000
"""The most entries that the service gives at once."""
SUBMITTING_S = 400.0
"""How long a submission may take: the job's notebook is read meanwhile, and its files are copied.
"""
_SAID_BY_A_PROXY: Final = (
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
"""What a proxy answers for a service that it does not reach; the service itself says why."""
REFUSED = 1
NO_ANSWER = 3

T = TypeVar("T")
Asked = str | int | tuple[str, ...] | None
"""A value of a query, or several; ``None`` for none."""


@dataclass(frozen=True, slots=True)
class ListPage(Generic[T]):
    """A page of a list."""

    entries: tuple[T, ...]
    total: int | None
    """How many entries the whole list has, where the service says so."""


class RefusedError(click.ClickException):
    """The service decided against the request; its words are shown as they are."""

    exit_code = REFUSED

    def __init__(self, status: int, problem: Problem) -> None:
        # What is wrong with a document comes as a list: an entry a line, and nothing else is one.
        lines = problem.message.split("\n  - ")
        super().__init__("\n  - ".join(map(plain, lines)))
        self.status = status
        self.problem = problem
        self._as_json = wants_json()  # there is no context any more when it is shown

    def show(self, file: Any = None) -> None:
        """Print the refusal: as JSON where that was asked for."""
        if self._as_json:
            print_json(self.problem.model_dump(mode="json"))
        else:
            click.echo(f"Refused: {self.format_message()}", err=True, file=file)
            for line in _told_beside(self.problem):
                click.echo(f"  {plain(line)}", err=True, file=file)


def _told_beside(problem: Problem) -> Iterator[str]:
    """Yield what a refusal tells beside its sentence: what it follows from, and what would help."""
    if problem.why is not None and problem.why.words:
        yield problem.why.words
    if problem.waits_for:
        yield f"In the way: {', '.join(problem.waits_for)}"
    if problem.helps:
        yield f"What helps: {'; '.join(each.words for each in problem.helps)}"


class NoAnswerError(click.ClickException):
    """The service could not be asked; the text says why, and what to do."""

    exit_code = NO_ANSWER


class Service:
    """The hub service, asked with the caller's own token.

    The token is never an argument: others could read it.
    """

    def __init__(self, url: str | None, token_file: Path | None) -> None:
        self._url = url
        self._token_file = token_file

    def get(self, kind: type[T], path: str, **query: Asked) -> T:
        """Return what the service answers at ``path``, as ``kind``."""
        return self._read(self._get(path, query), kind)

    def counted(self, kind: type[T], path: str, **query: Asked) -> ListPage[T]:
        """Return the first entries of ``kind`` of a list, and how many there are."""
        answer = self._get(path, query)
        return ListPage(self._read(answer, tuple[kind, ...]), answer.total)  # type: ignore[valid-type]

    def pages(
        self, kind: type[T], path: str, limit: int | None, **query: Asked
    ) -> Iterator[ListPage[T]]:
        """Go through the pages of a list, up to ``limit`` entries of ``kind``; ``None``: all."""
        before: str | None = None
        while limit is None or limit > 0:
            most = MOST_OF_A_PAGE if limit is None else min(limit, MOST_OF_A_PAGE)
            answer = self._get(path, {**query, "limit": most, "before": before})
            page = self._read(answer, tuple[kind, ...])  # type: ignore[valid-type]
            yield ListPage(page, answer.total)
            before = answer.following
            if limit is not None:
                limit -= len(page)
            if before is None or not page:
                return

    def post(
        self,
        kind: type[T],
        path: str,
        body: WireModel | None = None,
        patience_s: float = _TIMEOUT_S,
        **query: Asked,
    ) -> T:
        """Post, and return the answer as ``kind``."""
        return self._ask("POST", _address(path, query), body, kind, patience_s)

    def put(self, kind: type[T], path: str, body: WireModel) -> T:
        """Put, and return the answer as ``kind``."""
        return self._ask("PUT", path, body, kind)

    def delete(self, path: str, **query: Asked) -> None:
        """Delete, where the service answers with nothing."""
        answer = self._answer("DELETE", _address(path, query), None)
        if not answer.is_success:
            _raise_problem(answer.status, answer.body)

    def _get(self, path: str, query: Mapping[str, Asked]) -> ServiceAnswer:
        address = _address(path, query)
        patience_s = _BUSY_PATIENCE_S
        while True:
            answer = self._answer("GET", address, None)
            wait_s = answer.retry_after_s
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS or not 0 < wait_s <= patience_s:
                return answer
            # Long lists and logs count as many requests: who reads on waits for their turn.
            time.sleep(wait_s)
            patience_s -= wait_s

    def _ask(
        self,
        method: str,
        address: str,
        body: WireModel | None,
        kind: type[T],
        patience_s: float = _TIMEOUT_S,
    ) -> T:
        return self._read(self._answer(method, address, body, patience_s), kind)

    def _answer(
        self, method: str, address: str, body: WireModel | None, patience_s: float = _TIMEOUT_S
    ) -> ServiceAnswer:
        url = f"{self._api_url()}{address}"
        data = None if body is None else body.model_dump_json(exclude_unset=True).encode()
        if method == "POST" and data is None:
            data = b""
        try:
            return call_service(method, url, self._token(), data, patience_s)
        except ServiceAwayError as error:
            message = f"The Sublet service at {self._url} does not answer: {error}"
            raise NoAnswerError(message) from error

    def _read(self, answer: ServiceAnswer, kind: type[T]) -> T:
        if not answer.is_success:
            _raise_problem(answer.status, answer.body)
        try:
            return TypeAdapter(kind).validate_json(answer.body)
        except ValidationError as error:
            message = (
                f"The service at {self._url} answered what this `sublet` does not understand"
                f" ({error.error_count()} differences): are both of the same version?"
            )
            raise NoAnswerError(message) from error

    def _api_url(self) -> str:
        if not self._url:
            message = (
                "No address of the Sublet service: it is set in notebook servers and their"
                " terminals; elsewhere give --url or set SUBLET_SERVICE_URL."
            )
            raise NoAnswerError(message)
        try:
            return api_address(self._url)
        except ServiceAddressError as error:
            raise NoAnswerError(str(error)) from error

    def _token(self) -> str:
        if self._token_file is None:
            token = os.environ.get("JUPYTERHUB_API_TOKEN", "").strip()
            if not token:
                message = (
                    "No token: it is set in notebook servers and their terminals; elsewhere make"
                    " one on the hub's token page, put it into a file that only you can read, and"
                    " give --token-file."
                )
                raise NoAnswerError(message)
            return token
        try:
            if self._token_file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
                click.echo(f"Warning: others can read {self._token_file}", err=True)
            token = self._token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            message = f"The token file {self._token_file} cannot be read: {error}"
            raise NoAnswerError(message) from error
        if not token or not token.isascii() or not token.isprintable():
            message = f"The token file {self._token_file} holds no token"
            raise NoAnswerError(message)
        return token


def _address(path: str, query: Mapping[str, Asked]) -> str:
    given = {name: value for name, value in query.items() if value not in {None, ()}}
    return f"{path}{'?' + urlencode(given, doseq=True) if given else ''}"


def _raise_problem(status: int, text: bytes) -> NoReturn:
    try:
        problem = Problem.model_validate(json.loads(text))
    except (ValidationError, ValueError):
        name = responses.get(status, "unknown")
        message = f"The service answered {status} ({name}) and did not say why."
        if status in _SAID_BY_A_PROXY:
            message = (
                f"The Sublet service is away: what stands before it answered {status} ({name})."
                " Try again in a minute; where that does not help, tell an admin."
            )
        raise NoAnswerError(message) from None
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise NoAnswerError(plain(problem.message))
    raise RefusedError(status, problem)


def id_in_path(given: str) -> str:
    """Return the id, which may stand in an address; ``click.BadParameter`` for any other."""
    if not given.replace("-", "").replace("_", "").isalnum() or not given.isascii():
        message = f"{plain(given)!r} is no id"
        raise click.BadParameter(message)
    return given


pass_service = click.make_pass_decorator(Service)
