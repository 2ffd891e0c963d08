"""A small fake of JobSet: it makes the Jobs of JobSets, and says how they ended.

It keeps to what JobSet was seen to do: each replica of a replicated Job becomes a Job of its own,
whose pods have its labels and annotations and stand below one headless Service's name; a suspended
JobSet's Jobs are suspended. What JobSet's webhooks refuse, policies of the API server refuse here.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import requests
import yaml

from tests.support.kube.api import Api, Manifest, RefusedError
from tests.support.kube.processes import wait_for

VERSION: Final = "jobset.x-k8s.io/v1alpha2"
_DEFINITIONS: Final = Path(__file__).with_name("jobset-definitions.yaml")
_PREFIX: Final = "jobset.sigs.k8s.io"
_LOOK_EVERY_S: Final = 0.3
_ENDS: Final = {"Complete": "Completed", "Failed": "Failed"}
"""What a Job's condition means for its JobSet, which tries nothing again."""


@contextmanager
def jobset_fake(api: Api) -> Iterator[None]:
    """Define JobSet's kind and what it refuses, and run JobSets while the block lasts."""
    definitions = yaml.safe_load(_DEFINITIONS.read_text())["items"]
    for definition in definitions:
        api.create(definition)
    wait_for(lambda: _is_served(api), 60, "the kind of the fake to be served")
    stopped = threading.Event()
    thread = threading.Thread(target=_run_until, args=(api, stopped))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        for each in reversed(definitions):
            api.delete(each["apiVersion"], each["kind"], each["metadata"]["name"])


def _is_served(api: Api) -> bool:
    with suppress(RefusedError):
        return api.call("GET", f"/apis/{VERSION}/jobsets") is not None
    return False


def _run_until(api: Api, stopped: threading.Event) -> None:
    while not stopped.wait(_LOOK_EVERY_S):
        # An object may be changed or gone meanwhile: the next look sees it.
        with suppress(RefusedError, requests.RequestException):
            for job_set in api.call("GET", f"/apis/{VERSION}/jobsets")["items"]:
                _look(api.within(job_set["metadata"]["namespace"]), job_set)


def _look(api: Api, job_set: Manifest) -> None:
    about = job_set["metadata"]
    if "deletionTimestamp" in about or (job_set.get("status") or {}).get("terminalState"):
        return
    suspended = bool(job_set["spec"].get("suspend"))
    jobs = []
    for wanted in _jobs_of(job_set):
        found = api.find("batch/v1", "Job", wanted["metadata"]["name"])
        if found is None:
            jobs.append(api.create(wanted))
        else:
            jobs.append(found)
            if bool(found["spec"].get("suspend")) is not suspended:
                change = {"spec": {"suspend": suspended}}
                api.patch("batch/v1", "Job", found["metadata"]["name"], change)
    ends = {_ENDS[kind] for job in jobs for kind in _conditions_of(job) if kind in _ENDS}
    if "Failed" in ends or (ends and all("Complete" in _conditions_of(job) for job in jobs)):
        end = "Failed" if "Failed" in ends else "Completed"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        words = {"reason": f"Jobs{end}", "message": f"its jobs have {end.lower()}"}
        condition = {"type": end, "status": "True", "lastTransitionTime": now, **words}
        status = {"terminalState": end, "conditions": [condition]}
        api.patch(VERSION, "JobSet", about["name"], {"status": status}, part="status")


def _conditions_of(job: Manifest) -> set[str]:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return {str(each["type"]) for each in conditions if each["status"] == "True"}


def _jobs_of(job_set: Manifest) -> Iterator[Manifest]:
    about, spec = job_set["metadata"], job_set["spec"]
    for replicated in spec["replicatedJobs"]:
        for index in range(replicated["replicas"]):
            name = f"{about['name']}-{replicated['name']}-{index}"
            marks = {
                f"{_PREFIX}/jobset-name": about["name"],
                f"{_PREFIX}/replicatedjob-name": replicated["name"],
                f"{_PREFIX}/job-index": str(index),
            }
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
                "metadata": {"name": name, "labels": marks, "ownerReferences": [owner]},
                "spec": {
                    **inside,
                    "suspend": bool(spec.get("suspend")),
                    "template": {
                        "metadata": metadata,
                        "spec": {**pod["spec"], "subdomain": about["name"]},
                    },
                },
            }
