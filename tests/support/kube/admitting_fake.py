"""A small fake of Kueue: it admits Jobs by priority and age while their queue has quota for them.

It keeps to what Kueue was seen to do: a Job, or a JobSet, with a queue's label gets a Workload that
it owns; the Workload says ``QuotaReserved`` with the reason, or its ``suspend`` is lifted. What it
holds when admitted it holds until it ends or is gone; nothing is preempted.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

from tests.support.kube.api import Api, Manifest
from tests.support.kube.fake_controllers import acting, listed, true_conditions

VERSION: Final = "kueue.x-k8s.io/v1beta2"
_DEFINITIONS: Final = Path(__file__).with_name("kueue-definitions.yaml")
_QUEUE: Final = "kueue.x-k8s.io/queue-name"
_CLASS: Final = "kueue.x-k8s.io/priority-class"
_KINDS: Final = (
    "batch/v1/jobs",
    "jobset.x-k8s.io/v1alpha2/jobsets",
    "trainer.kubeflow.org/v1alpha1/trainjobs",
)
_ENDED: Final = {"Complete", "Completed", "Failed"}
_SUFFIXES: Final[Mapping[str, Fraction]] = {
    "m": Fraction(1, 1000),
    **{f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGTP", start=1)},
    **{letter: Fraction(1000**power) for power, letter in enumerate("kMGTP", start=1)},
}
Amounts = dict[str, Fraction]


@contextmanager
def admitting_fake(api: Api) -> Iterator[None]:
    """Define Kueue's kinds, and admit Jobs while the block lasts."""
    with acting(api, _DEFINITIONS, _look):
        yield


def _look(api: Api) -> None:
    queues = {each["metadata"]["name"]: each for each in api.all(VERSION, "ClusterQueue")}
    for name, queue in queues.items():
        _say(api, "ClusterQueue", name, queue, _condition("Active", "True", "Ready", "can admit"))
    found = api.all(VERSION, "WorkloadPriorityClass")
    classes = {each["metadata"]["name"]: each["value"] for each in found}
    left = {name: _quota_of(queue) for name, queue in queues.items()}
    waiting = []
    for job, queue in _queued_jobs(api, set(queues)):
        if job["spec"].get("suspend"):
            waiting.append((job, queue))
        else:
            _take(left[queue], _asked(job))
    for job, queue in sorted(waiting, key=lambda each: _order(each[0], classes)):
        within = api.within(job["metadata"]["namespace"])
        workload = _workload_of(within, job, classes)
        lacking = _lacking(left[queue], _asked(job))
        if lacking is None:
            _take(left[queue], _asked(job))
            reserved = _condition("QuotaReserved", "True", "QuotaReserved", f"in {queue}")
            of_kind = (job["apiVersion"], job["kind"])
            within.patch(*of_kind, job["metadata"]["name"], {"spec": {"suspend": False}})
        else:
            reserved = _condition("QuotaReserved", "False", "Pending", lacking)
        _say(within, "Workload", workload["metadata"]["name"], workload, reserved)


def _queued_jobs(api: Api, queues: set[str]) -> list[tuple[Manifest, str]]:
    """Return the Jobs that wait or run, each with the ClusterQueue behind its LocalQueue."""
    behind = {
        (each["metadata"]["namespace"], each["metadata"]["name"]): each["spec"]["clusterQueue"]
        for each in api.call("GET", f"/apis/{VERSION}/localqueues")["items"]
    }
    jobs = [job for path in _KINDS for job in listed(api, path)]
    found = [(job, behind.get(_queue_of(job), "")) for job in jobs if not _has_ended(job)]
    return [(job, queue) for job, queue in found if queue in queues]


def _queue_of(job: Manifest) -> tuple[str, str]:
    labels = job["metadata"].get("labels", {})
    return job["metadata"]["namespace"], labels.get(_QUEUE, "")


def _has_ended(job: Manifest) -> bool:
    return bool(_ENDED & true_conditions(job)) or "deletionTimestamp" in job["metadata"]


def _order(job: Manifest, classes: Mapping[str, int]) -> tuple[int, str]:
    name = job["metadata"].get("labels", {}).get(_CLASS, "")
    return -classes.get(name, 0), str(job["metadata"]["creationTimestamp"])


def _asked(job: Manifest) -> Amounts:
    total: Amounts = {}
    for resources, count in _resources_of(job):
        for name, amount in resources.get("requests", {}).items():
            total[name] = total.get(name, Fraction()) + count * _number(amount)
    return total


def _resources_of(job: Manifest) -> Iterator[tuple[Manifest, int]]:
    """Yield what the containers of its pods ask for, each with how many of them there are."""
    spec = job["spec"]
    if job["kind"] == "TrainJob":
        yield spec["trainer"]["resourcesPerNode"], spec["trainer"]["numNodes"]
        return
    alone = [{"replicas": 1, "template": {"spec": spec}}]
    for replicated in alone if job["kind"] == "Job" else spec["replicatedJobs"]:
        inside = replicated["template"]["spec"]
        count = replicated["replicas"] * inside.get("parallelism", 1)
        for container in inside["template"]["spec"]["containers"]:
            yield container.get("resources", {}), count


def _quota_of(queue: Manifest) -> Amounts:
    return {
        resource["name"]: _number(resource["nominalQuota"])
        for group in queue["spec"]["resourceGroups"]
        for flavor in group["flavors"]
        for resource in flavor["resources"]
    }


def _take(left: Amounts, asked: Amounts) -> None:
    for name, amount in asked.items():
        left[name] = left.get(name, Fraction()) - amount


def _lacking(left: Amounts, asked: Amounts) -> str | None:
    for name, amount in asked.items():
        if name not in left:
            return f"resource {name} unavailable in ClusterQueue"
        if amount > left[name]:
            numbers = f"{float(amount):g} asked for, {float(left[name]):g} left"
            return f"insufficient quota for {name}: {numbers}"
    return None


def _workload_of(api: Api, job: Manifest, classes: Mapping[str, int]) -> Manifest:
    about = job["metadata"]
    name = f"{job['kind'].lower()}-{about['name']}"
    found = api.find(VERSION, "Workload", name)
    if found is not None:
        return found
    owner = {
        "apiVersion": job["apiVersion"],
        "kind": job["kind"],
        "name": about["name"],
        "uid": about["uid"],
        "controller": True,
    }
    priority = classes.get(about["labels"].get(_CLASS, ""), 0)
    return api.create(
        {
            "apiVersion": VERSION,
            "kind": "Workload",
            "metadata": {"name": name, "ownerReferences": [owner]},
            "spec": {"queueName": about["labels"][_QUEUE], "priority": priority},
        }
    )


def _condition(kind: str, status: str, reason: str, message: str) -> Manifest:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _say(api: Api, kind: str, name: str, before: Manifest, condition: Manifest) -> None:
    known = (before.get("status") or {}).get("conditions") or [{}]
    if {key: known[0].get(key) for key in condition} == condition:
        return
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {"conditions": [{**condition, "lastTransitionTime": now}]}
    api.patch(VERSION, kind, name, {"status": status}, part="status")


def _number(quantity: str | int) -> Fraction:
    text = str(quantity)
    for suffix, factor in _SUFFIXES.items():
        if text.endswith(suffix):
            return Fraction(text.removesuffix(suffix)) * factor
    return Fraction(text)
