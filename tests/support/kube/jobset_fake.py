"""A small fake of JobSet: it makes the Jobs of JobSets, and says how they ended.

It keeps to what JobSet was seen to do: each replica of a replicated Job becomes a Job of its own,
with its template's labels, whose pods have theirs and stand below one headless Service's name; a
suspended JobSet's Jobs are suspended. What JobSet's webhooks refuse, policies of the API server
refuse here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.support.kube.api import Api, Manifest
from tests.support.kube.fake_controllers import acting, listed, true_conditions

VERSION: Final = "jobset.x-k8s.io/v1alpha2"
_DEFINITIONS: Final = Path(__file__).with_name("jobset-definitions.yaml")
_PREFIX: Final = "jobset.sigs.k8s.io"
_ENDS: Final = {"Complete": "Completed", "Failed": "Failed"}
"""What a Job's condition means for its JobSet, which tries nothing again."""


@contextmanager
def jobset_fake(api: Api) -> Iterator[None]:
    """Define JobSet's kind and what it refuses, and run JobSets while the block lasts."""
    with acting(api, _DEFINITIONS, _look_at_all):
        yield


def _look_at_all(api: Api) -> None:
    for job_set in listed(api, f"{VERSION}/jobsets"):
        _look(api.within(job_set["metadata"]["namespace"]), job_set)


def _look(api: Api, job_set: Manifest) -> None:
    about = job_set["metadata"]
    if "deletionTimestamp" in about or (job_set.get("status") or {}).get("terminalState"):
        return
    suspended = bool(job_set["spec"].get("suspend"))
    jobs = []
    for wanted in jobs_of(job_set):
        found = api.find("batch/v1", "Job", wanted["metadata"]["name"])
        if found is None:
            jobs.append(api.create(wanted))
        else:
            jobs.append(found)
            if bool(found["spec"].get("suspend")) is not suspended:
                change = {"spec": {"suspend": suspended}}
                api.patch("batch/v1", "Job", found["metadata"]["name"], change)
    ends = {_ENDS[kind] for job in jobs for kind in true_conditions(job) if kind in _ENDS}
    if "Failed" in ends or (ends and all("Complete" in true_conditions(job) for job in jobs)):
        end = "Failed" if "Failed" in ends else "Completed"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        words = {"reason": f"Jobs{end}", "message": f"its jobs have {end.lower()}"}
        condition = {"type": end, "status": "True", "lastTransitionTime": now, **words}
        status = {"terminalState": end, "conditions": [condition]}
        api.patch(VERSION, "JobSet", about["name"], {"status": status}, part="status")


def jobs_of(job_set: Manifest) -> Iterator[Manifest]:
    """Return the Jobs that a JobSet is made into."""
    about, spec = job_set["metadata"], job_set["spec"]
    for replicated in spec["replicatedJobs"]:
        for index in range(replicated["replicas"]):
            name = f"{about['name']}-{replicated['name']}-{index}"
            marks = {
                f"{_PREFIX}/jobset-name": about["name"],
                f"{_PREFIX}/replicatedjob-name": replicated["name"],
                f"{_PREFIX}/job-index": str(index),
            }
            labels = replicated["template"].get("metadata", {}).get("labels", {})
            inside = replicated["template"]["spec"]
            pod = inside["template"]
            told = pod.get("metadata", {})
            metadata = {
                "labels": {**told.get("labels", {}), **marks},
                "annotations": {**told.get("annotations", {}), **marks},
            }
            owner = {
                "apiVersion": VERSION,
                "kind": "JobSet",
                "name": about["name"],
                "uid": about["uid"],
                "controller": True,
            }
            yield {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {
                    "name": name,
                    "labels": {**labels, **marks},
                    "ownerReferences": [owner],
                },
                "spec": {
                    **inside,
                    "suspend": bool(spec.get("suspend")),
                    "template": {
                        "metadata": metadata,
                        "spec": {**pod["spec"], "subdomain": about["name"]},
                    },
                },
            }
