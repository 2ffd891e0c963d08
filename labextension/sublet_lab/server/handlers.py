"""The routes below ``/sublet/api/``: a fixed table, and nothing else is forwarded.

Of a browser's request only its ids, its checked query and its checked body go on, never its
headers. Every handler asks for authentication itself: jupyter-server lets others through. None
counts as activity, or a page that polls would keep its server alive for ever.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from pydantic import AwareDatetime, Field, NonNegativeInt, TypeAdapter, ValidationError
from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.wire.api import NEXT_PAGE, KeepRequest, Problem, SliceInfo
from sublet_quota.wire.environment import resized_environment
from sublet_quota.wire.jobs import JobInfo, JobRequest
from sublet_quota.wire.schema import WireModel, read_request
from sublet_quota.wire.share import ResizeRequest
from tornado import web

from sublet_lab.notebooks.job_copies import JobCopies
from sublet_lab.notebooks.own_server import own_server
from sublet_lab.runner.taking_along import TakingError, discard
from sublet_lab.server.service_client import Answer, ServiceClient

_ID: Final = r"([A-Za-z0-9][A-Za-z0-9_-]{0,127})"
_LOOK_S: Final = 20.0
_MOST_BODY_BYTES: Final = 256 * 1024
_OFFSET: Final[TypeAdapter[Any]] = TypeAdapter(NonNegativeInt)
_TIME: Final[TypeAdapter[Any]] = TypeAdapter(AwareDatetime)
_PLACE: Final[TypeAdapter[Any]] = TypeAdapter(Annotated[str, Field(min_length=1, max_length=300)])
"""Where the next page of a list begins."""
_SERVER: Final[TypeAdapter[Any]] = TypeAdapter(Annotated[str, Field(max_length=255)])
"""The name of a server; empty for the default one."""


class _NoBody(WireModel):
    """A POST that says all by its address."""


@dataclass(frozen=True, slots=True)
class Route:
    """An address of the service's API that a notebook server passes on."""

    pattern: str
    """The path below ``/sublet/api/``. Matched against the path as sent, so an escaped ``/`` fits
    no id.
    """
    target: str
    """The path below the service's ``api/``, with the id in it."""
    get: bool = False
    post: type[WireModel] | None = None
    delete: bool = False
    resizes: bool = False
    """Whether the answer is a slice with a new size."""
    submits: bool = False
    """Whether the answer is a new job."""
    patience_s: float = 20.0
    """How long the service may take: a job's notebook is read, its files are copied."""
    query: Mapping[str, TypeAdapter[Any]] = field(default_factory=dict)


ROUTES: Final = (
    Route("share", "share", get=True),
    Route("slices", "slices", get=True),
    Route(f"slices/{_ID}/keep", "slices/{}/keep", post=KeepRequest),
    Route(f"slices/{_ID}/wake", "slices/{}/wake", post=_NoBody),
    Route(f"slices/{_ID}/give-up", "slices/{}/give-up", post=_NoBody),
    Route(f"slices/{_ID}/extend", "slices/{}/extend", post=_NoBody),
    Route(f"slices/{_ID}/resize", "slices/{}/resize", post=ResizeRequest, resizes=True),
    Route(f"slices/{_ID}/history", "slices/{}/history", get=True, query={"since": _TIME}),
    Route(
        "jobs",
        "jobs",
        get=True,
        post=JobRequest,
        submits=True,
        patience_s=400.0,
        query={"before": _PLACE},
    ),
    # Before the jobs' ids: it looks like one.
    Route("jobs/forecast", "jobs/forecast", post=JobRequest),
    Route(f"jobs/{_ID}", "jobs/{}", get=True),
    Route(f"jobs/{_ID}/cancel", "jobs/{}/cancel", post=_NoBody),
    Route(f"jobs/{_ID}/again", "jobs/{}/again", post=_NoBody, submits=True, patience_s=400.0),
    Route(f"jobs/{_ID}/log", "jobs/{}/log", get=True, query={"offset": _OFFSET}),
    Route("queue", "queue", get=True, delete=True, query={"server": _SERVER}),
    Route("events", "events", get=True, query={"since": _TIME, "before": _PLACE}),
    Route("lending", "lending", get=True),
)

Handler = tuple[str, type[web.RequestHandler], dict[str, Any]]
Body = TypeVar("Body", bound=WireModel)


def forwarding_handlers(service: ServiceClient) -> list[Handler]:
    """Return the handlers of the table."""
    files = JobCopies.of_this_server()
    return [
        (
            rf"/sublet/api/{route.pattern}",
            SubmitHandler if route.submits else ForwardHandler,
            {"service": service, "route": route, "files": files},
        )
        for route in ROUTES
    ]


class SubletHandler(APIHandler):
    """The common part of all routes."""

    auth_resource = "sublet"
    _track_activity = False

    def answer(self, answer: Answer) -> None:
        """Send an answer on: its status and its body."""
        self.set_status(answer.status)
        self.set_header("Cache-Control", "no-store")
        if answer.following is not None:
            self.set_header(NEXT_PAGE, answer.following)
        self.finish(answer.body or None)

    def refuse(self, status: HTTPStatus, reason: str, message: str) -> None:
        """Answer with a ``Problem``."""
        problem = Problem(reason=reason, message=message[:4000])
        self.answer(Answer(status, problem.model_dump_json().encode()))

    def read_body(self, kind: type[Body]) -> Body | None:
        """Return the request's body, checked; ``None`` where it was refused."""
        sent = self.request.body
        if len(sent) > _MOST_BODY_BYTES:
            message = f"The body has {len(sent)} bytes; at most {_MOST_BODY_BYTES} are taken."
            self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", message)
            return None
        try:
            return read_request(kind, sent)
        except ValidationError as error:
            self.refuse(HTTPStatus.BAD_REQUEST, "bad-request", _in_words(error))
        except ValueError as error:
            self.refuse(HTTPStatus.BAD_REQUEST, "bad-request", str(error))
        return None


class ForwardHandler(SubletHandler):
    """The handler that passes the requests of one route on."""

    def initialize(
        self, service: ServiceClient, route: Route, files: JobCopies | None = None
    ) -> None:
        """Take the route of the table."""
        self.service = service
        self.route = route
        self.files = files

    @web.authenticated
    @authorized
    async def get(self, *ids: str) -> None:
        """Pass a GET on."""
        if not self.route.get:
            raise web.HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        await self._forward("GET", ids, None)

    @web.authenticated
    @authorized
    async def post(self, *ids: str) -> None:
        """Pass a POST on, its body checked and written anew."""
        if self.route.post is None:
            raise web.HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        checked = self.read_body(self.route.post)
        if checked is not None:
            await self.post_checked(ids, checked)

    @web.authenticated
    @authorized
    async def delete(self, *ids: str) -> None:
        """Pass a DELETE on."""
        if not self.route.delete:
            raise web.HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        await self._forward("DELETE", ids, None)

    async def post_checked(self, ids: tuple[str, ...], checked: WireModel) -> None:
        """Pass on what was posted."""
        await self._forward("POST", ids, _written(checked))

    async def _forward(self, method: str, ids: tuple[str, ...], body: bytes | None) -> None:
        answer = await self.ask(method, ids, body)
        if answer is not None:
            self.answer(answer)

    async def ask(self, method: str, ids: tuple[str, ...], body: bytes | None) -> Answer | None:
        """Return what the service answers; ``None`` where the query was refused."""
        query = own_server() if self.route.submits and method == "POST" else {}
        try:
            for name, checked in self.route.query.items():
                value = self.get_query_argument(name, None)
                if value is not None:
                    query[name] = checked.dump_python(checked.validate_python(value), mode="json")
        except ValidationError as error:
            self.refuse(HTTPStatus.BAD_REQUEST, "bad-request", f"{name}: {_in_words(error)}")
            return None
        path = self.route.target.format(*ids)
        # Who looks gives up soon, and asks again: questions must not pile up here.
        patience_s = self.route.patience_s if method == "POST" else _LOOK_S
        answer = await self.service.ask(method, path, query, body, patience_s)
        if self.route.resizes and answer.status == HTTPStatus.OK:
            _take_size(answer.body)
        return answer


class SubmitHandler(ForwardHandler):
    """The handler that submits jobs; some servers copy what these run."""

    async def post_checked(self, ids: tuple[str, ...], checked: WireModel) -> None:
        """Copy, submit, and give the copy to the job."""
        files = self.files
        if files is None:
            await super().post_checked(ids, checked)
            return
        if not isinstance(checked, JobRequest):
            # As one before: what that was is in the answer.
            answer = await self._submit(ids, checked, files.copy_for)
        else:
            try:
                copy = await asyncio.to_thread(files.copy, checked)
            except TakingError as error:
                self.refuse(HTTPStatus.BAD_REQUEST, RefusalReason.BAD_FILES, str(error))
                return
            try:
                answer = await self._submit(ids, checked, lambda job: files.settle(copy, job))
            finally:
                await asyncio.to_thread(discard, copy)
        if answer is not None:
            self.answer(answer)

    async def _submit(
        self, ids: tuple[str, ...], checked: WireModel, keep: Callable[[JobInfo], None]
    ) -> Answer | None:
        answer = await self.ask("POST", ids, _written(checked))
        if answer is not None and answer.status == HTTPStatus.CREATED:
            try:
                await asyncio.to_thread(keep, JobInfo.model_validate_json(answer.body))
            except (TakingError, ValidationError) as error:
                # The job's first attempt copies then, or says why it cannot.
                self.log.warning("what a new job runs was not copied: %s", error)
        return answer


def _take_size(answer: bytes) -> None:
    """Let kernels and terminals that this server starts from now on see its slice's new size."""
    try:
        lease = SliceInfo.model_validate_json(answer).lease
    except ValidationError:
        return
    if lease.slice_id == os.environ.get("SUBLET_SLICE_ID"):
        os.environ.update(
            resized_environment(
                lease.memory_mib, lease.compute_milli, lease.gpu_memory_mib, os.environ
            )
        )


def _written(body: WireModel) -> bytes:
    return b"" if isinstance(body, _NoBody) else body.model_dump_json(exclude_unset=True).encode()


def _in_words(error: ValidationError) -> str:
    found = (f"{'.'.join(map(str, e['loc'])) or 'the body'}: {e['msg']}" for e in error.errors())
    return "; ".join(found)
