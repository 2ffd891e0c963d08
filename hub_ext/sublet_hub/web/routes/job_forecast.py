"""The forecast of a job: what would become of it, were it submitted now."""

from typing import Final

from sublet_quota.names import scopes
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.waiting import queue_clause
from sublet_quota.wire.jobs import JobForecast, JobRequest

from sublet_hub.jobs.submission import Foreseen
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.owner import charged, groups_asked_for
from sublet_hub.web.routes.problems import problem_of_refusal
from sublet_hub.web.routes.route import Call, Nature, Parameter

LOOK: Final = Parameter(
    "look",
    Nature.NUMBER,
    "1: its notebook is looked into, too, as on submission; that takes a second or two. "
    "``notebook_checked`` says whether it was: where users' files are in volumes, it cannot be.",
)
_MOST_TEXT: Final = 4000


async def forecast(service: ServiceParts, call: Call) -> JobForecast:
    """Return whether a job of its owner is allowed, and how long it would wait.

    With ``?look=1`` the job's notebook is looked at, too.
    """
    owner = call.owner(scopes.JOBS)
    request = call.body_as(JobRequest)
    groups = await groups_asked_for(service, call, owner) or ()
    # It is the owner who would submit it, and an admin's right is no right of theirs.
    first = call.user.is_admin and call.user.name == owner
    looks = call.number(LOOK.name, 0, 1) == 1 and service.jobs.sees_notebooks
    with charged(service, call):
        seen = service.jobs.foresee(owner, groups, request, may_go_first=first)
    if isinstance(seen, Refusal):
        return _refused(seen)
    refusal = await service.jobs.refuse_notebook(owner, groups, request) if looks else None
    if refusal is not None:
        return _refused(refusal)
    told = {
        "notebook_checked": looks,
        "group": seen.admitted.group,
        "max_run_s": seen.admitted.max_run.total_seconds(),
    }
    return _foreseen(service, seen).model_copy(update=told)


def _refused(refusal: Refusal) -> JobForecast:
    _, problem = problem_of_refusal(refusal)
    return JobForecast(allowed=False, problem=problem, message=problem.message)


def _foreseen(service: ServiceParts, seen: Foreseen) -> JobForecast:
    if not service.queue.decides:
        return _left_to_the_cluster(service, seen)
    wait = service.queue.foresee(seen.wish, seen.admitted)
    if wait is None:
        message = "A GPU has room for it: it starts at once."
        basis = "what GPUs can lend now"
        return JobForecast(allowed=True, message=message, expected_wait_s=0, basis=basis)
    message = f"It would wait, at place {wait.place}: {queue_clause(wait.why)}."
    more = {"place": wait.place, "reason_code": wait.why.reason.value}
    return _as_usual(service, message).model_copy(update=more)


def _left_to_the_cluster(service: ServiceParts, seen: Foreseen) -> JobForecast:
    """Return the forecast where the cluster's queue decides: what could be lent now is known."""
    decides = "the cluster's queue decides when it begins"
    gpus = seen.wish.gpus
    if gpus > 1:
        basis = "how long jobs on several GPUs wait is not known"
        message = f"It needs {gpus} GPUs at once: {decides}."
        return JobForecast(allowed=True, message=message, basis=basis)
    wait = service.queue.foresee(seen.wish, seen.admitted)
    now = (
        "A GPU has room for it now"
        if wait is None
        else f"Now it would wait: {queue_clause(wait.why)}"
    )
    code = None if wait is None else wait.why.reason.value
    usual = _as_usual(service, f"{now}. In any case {decides}.")
    return usual.model_copy(update={"reason_code": code})


def _as_usual(service: ServiceParts, message: str) -> JobForecast:
    usual = service.times.usual_wait()
    return JobForecast(
        allowed=True,
        message=message[:_MOST_TEXT],
        expected_wait_s=None if usual is None else usual.length.total_seconds(),
        basis="too few jobs have started lately to say" if usual is None else usual.basis,
    )
