"""Training jobs: forecast, submit, list, see, cancel, run again, and read the log."""

from dataclasses import replace

from sublet_quota.names import scopes
from sublet_quota.names.ids import JobId, UserName
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.jobs import JobForecast, JobInfo, JobLog, JobRequest
from sublet_quota.wire.schema import MOST_EXACT

from sublet_hub.errors import NotAllowedError, NotFoundError
from sublet_hub.ledger.records import JobRecord
from sublet_hub.security.rate_limits import cost_of_look
from sublet_hub.usage.refusals import asked_for_again, asked_for_job
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.job_forecast import LOOK, forecast
from sublet_hub.web.routes.job_lists import ORDER, STATE, JobList
from sublet_hub.web.routes.owner import (
    BEFORE,
    OWNER,
    NoBody,
    charged,
    page_of,
    refuse_nobody,
)
from sublet_hub.web.routes.pages import Page
from sublet_hub.web.routes.roles import GROUP, group_viewer
from sublet_hub.web.routes.roles import groups_asked_for as groups_seen
from sublet_hub.web.routes.route import Access, Call, Nature, Parameter, Route
from sublet_hub.web.routes.viewers import groups_of, viewer_of

_BIG_BODY = 256 * 1024
_SERVER = Parameter(
    "server",
    Nature.TEXT,
    "My notebook server that the job is promoted from; empty for the default one. That server is "
    "not ended for being idle while the job waits or runs. A server's own token always names it.",
)


def _seen_job(service: ServiceParts, call: Call) -> JobRecord:
    """Return the job of the path, for who only looks at it."""
    if not call.user.sees_all:
        return _own_job(service, call)
    job = service.ledger.jobs.get(JobId(call.path["job_id"]))
    if job is None:
        message = f"there is no job {call.path['job_id']}"
        raise NotFoundError(message)
    return job


def _own_job(service: ServiceParts, call: Call) -> JobRecord:
    with charged(service, call, cost_of_look):
        job = service.ledger.jobs.get(JobId(call.path["job_id"]))
    if job is None or not call.user.may(scopes.JOBS, job.owner):
        message = f"there is no job {call.path['job_id']} of yours"
        raise NotFoundError(message)
    return job


async def _submit(service: ServiceParts, call: Call) -> JobInfo | Refusal:
    caller = call.user
    if caller.kind != "user" or not caller.may(scopes.JOBS, caller.name):
        message = f"this token lacks the scope {scopes.JOBS}!user={caller.name}"
        raise NotAllowedError(message)
    request, groups = call.body_as(JobRequest), groups_of(service, caller)
    answer = await service.jobs.submit(
        UserName(caller.name),
        groups,
        request,
        may_go_first=caller.is_admin,
        server=_server_of(call, UserName(caller.name)),
    )
    if isinstance(answer, Refusal):
        service.refusals.note(caller.name, asked_for_job(request, groups), answer)
        return answer
    return _shown(service, call, answer)


async def _again(service: ServiceParts, call: Call) -> JobInfo | Refusal:
    job = _own_job(service, call)
    own = call.user.name == job.owner
    groups = groups_of(service, call.user) if own else job.groups
    server = _server_of(call, job.owner)
    answer = await service.jobs.again(job, groups, may_go_first=call.user.is_admin, server=server)
    if isinstance(answer, Refusal):
        service.refusals.note(job.owner, asked_for_again(job, groups), answer)
        return answer
    return _shown(service, call, answer)


def _server_of(call: Call, owner: UserName) -> str | None:
    """Return the server that a job is promoted from: whose token it is, else as is said.

    ``None`` where somebody else submits it for the owner.
    """
    caller = call.user
    if caller.kind != "user" or caller.name != owner:
        return None
    if caller.server is not None:
        return caller.server
    return next(iter(call.texts(_SERVER.name)[-1:]), None)


def _shown(service: ServiceParts, call: Call, job: JobRecord) -> JobInfo:
    with charged(service, call, cost_of_look):
        return service.job_views.job(job, viewer_of(service, call.user))


async def _list(service: ServiceParts, call: Call) -> Page:
    caller = call.user
    groups = groups_seen(service, call)
    if groups is not None:
        own = JobList(service, None, call, group_viewer(service, caller), groups)
        page = await page_of(service, call, own.listing, call.number("limit", 200, 1000))
        return replace(page, total=own.total) if call.place(BEFORE.name) is None else page
    everybody = caller.sees_all and call.text("owner") is None
    owner = None if everybody else call.owner(scopes.JOBS)
    jobs = JobList(service, owner, call, viewer_of(service, caller))
    page = await page_of(service, call, jobs.listing, call.number("limit", 200, 1000))
    if not page.entries and not jobs.owner_has_some:
        await refuse_nobody(service, call, owner)
    # What follows is of the same list: it was counted for the first page.
    return replace(page, total=jobs.total) if call.place(BEFORE.name) is None else page


async def _see(service: ServiceParts, call: Call) -> JobInfo:
    return _shown(service, call, _seen_job(service, call))


async def _cancel(service: ServiceParts, call: Call) -> JobInfo:
    job = service.cancellation.cancel(_own_job(service, call), UserName(call.user.name))
    return _shown(service, call, job)


async def _log(service: ServiceParts, call: Call) -> JobLog:
    offset = call.number("offset", 0, MOST_EXACT)
    return service.jobs.log(_seen_job(service, call), offset)


JOB_ROUTES = (
    Route(
        "GET",
        "jobs",
        Access.USER,
        "My jobs, the newest first; all for admins",
        _list,
        tuple[JobInfo, ...],
        parameters=(
            OWNER,
            GROUP,
            Parameter("limit", Nature.NUMBER, "At most so many; 200 when left out, 1000 at most."),
            STATE,
            ORDER,
            BEFORE,
        ),
        refusals=(400, 404),
    ),
    Route(
        "POST",
        "jobs",
        Access.USER,
        "Run a notebook as a training job",
        _submit,
        JobInfo,
        body=JobRequest,
        status=201,
        parameters=(_SERVER,),
        most_body_bytes=_BIG_BODY,
        refusals=(400, 409),
    ),
    Route(
        "POST",
        "jobs/forecast",
        Access.USER,
        "What would become of a job, were it submitted now; nothing is. Of its notebook only the "
        "path is looked at, unless that is asked for",
        forecast,
        JobForecast,
        body=JobRequest,
        parameters=(OWNER, LOOK),
        most_body_bytes=_BIG_BODY,
        refusals=(400, 404, 409),
    ),
    Route("GET", "jobs/{job_id}", Access.USER, "A job of mine", _see, JobInfo, refusals=(404,)),
    Route(
        "POST",
        "jobs/{job_id}/cancel",
        Access.USER,
        "Cancel a job of mine: it is told to stop, and killed after a grace period",
        _cancel,
        JobInfo,
        refusals=(404, 409),
    ),
    Route(
        "POST",
        "jobs/{job_id}/again",
        Access.USER,
        "Run a job of mine again: a new job that asks for the same",
        _again,
        JobInfo,
        body=NoBody,
        status=201,
        parameters=(_SERVER,),
        refusals=(400, 404, 409),
    ),
    Route(
        "GET",
        "jobs/{job_id}/log",
        Access.USER,
        "What a job of mine has printed, from an offset in bytes on",
        _log,
        JobLog,
        parameters=(Parameter("offset", Nature.NUMBER, "Where to read from; 0 when left out."),),
        refusals=(400, 404),
        # A log of 64 MiB is read to its end in parts, by pages that do not wait for their turn.
        counts_by_size=False,
    ),
)
