"""A small fake of Kubeflow's trainer: it makes the JobSets of TrainJobs, and says how they ended.

It keeps to what the trainer was seen to do with the runtime ``torch-distributed``: one replicated
Job ``node`` whose container has the trainer's fields, and the patches' where a TrainJob may patch
its runtime; torchrun's variables; what a JobSet's end means for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.support.kube.api import Api, Manifest
from tests.support.kube.fake_controllers import acting, listed
from tests.support.kube.jobset_fake import VERSION as JOB_SETS

VERSION: Final = "trainer.kubeflow.org/v1alpha1"
_DEFINITIONS: Final = Path(__file__).with_name("trainjob-definitions.yaml")
_NODE: Final = "node"
_PORT: Final = 29400


@contextmanager
def trainjob_fake(api: Api) -> Iterator[None]:
    """Define the trainer's kind, and run TrainJobs while the block lasts."""
    with acting(api, _DEFINITIONS, _look_at_all):
        yield


def _look_at_all(api: Api) -> None:
    for job in listed(api, f"{VERSION}/trainjobs"):
        _look(api.within(job["metadata"]["namespace"]), job)


def _look(api: Api, job: Manifest) -> None:
    name = job["metadata"]["name"]
    if "deletionTimestamp" in job["metadata"] or (job.get("status") or {}).get("conditions"):
        return
    found = api.find(JOB_SETS, "JobSet", name)
    if found is None:
        api.create(job_set_of(job))
        return
    suspended = bool(job["spec"].get("suspend"))
    if bool(found["spec"].get("suspend")) is not suspended:
        api.patch(JOB_SETS, "JobSet", name, {"spec": {"suspend": suspended}})
    ended = (found.get("status") or {}).get("terminalState")
    if ended:
        kind = "Complete" if ended == "Completed" else ended
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        words = {"reason": f"Jobs{ended}", "message": f"its JobSet has {ended.lower()}"}
        condition = {"type": kind, "status": "True", "lastTransitionTime": now, **words}
        api.patch(VERSION, "TrainJob", name, {"status": {"conditions": [condition]}}, part="status")


def job_set_of(job: Manifest) -> Manifest:
    """Return the JobSet that a TrainJob is made into."""
    about, trainer = job["metadata"], job["spec"]["trainer"]
    nodes = trainer["numNodes"]
    torchrun = {
        "PET_NNODES": str(nodes),
        "PET_NPROC_PER_NODE": str(trainer["numProcPerNode"]),
        "PET_MASTER_ADDR": f"{about['name']}-{_NODE}-0-0.{about['name']}",
        "PET_MASTER_PORT": str(_PORT),
    }
    container: dict[str, Any] = {
        "name": _NODE,
        **{key: trainer[key] for key in ("image", "command", "args")},
        "env": [*trainer["env"], *({"name": k, "value": v} for k, v in torchrun.items())],
        "resources": trainer["resourcesPerNode"],
    }
    inside: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    of_job: dict[str, Any] = {}
    for patch in job["spec"].get("runtimePatches", ()):
        for replicated in patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]:
            of_job |= replicated["template"].get("metadata", {})
            pod = replicated["template"]["spec"]["template"]
            metadata |= pod.get("metadata", {})
            (patched,) = pod.get("spec", {}).get("containers", [{}])
            container |= patched
            inside |= pod.get("spec", {})
    spec = {"restartPolicy": "Never", **inside, "containers": [container]}
    owner = {
        "apiVersion": VERSION,
        "kind": "TrainJob",
        "name": about["name"],
        "uid": about["uid"],
        "controller": True,
    }
    return {
        "apiVersion": JOB_SETS,
        "kind": "JobSet",
        "metadata": {"name": about["name"], "ownerReferences": [owner]},
        "spec": {
            "suspend": bool(job["spec"].get("suspend")),
            "network": {"enableDNSHostnames": True},
            "replicatedJobs": [
                {
                    "name": _NODE,
                    "replicas": 1,
                    "template": {
                        "metadata": of_job,
                        "spec": {
                            "parallelism": nodes,
                            "completions": nodes,
                            "completionMode": "Indexed",
                            "backoffLimit": 0,
                            "template": {"metadata": metadata, "spec": spec},
                        },
                    },
                }
            ],
        },
    }
