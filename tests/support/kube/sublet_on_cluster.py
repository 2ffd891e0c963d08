"""The whole of Sublet on the tests' cluster: hub and service on the machine, the rest in pods.

The agent, the simulated GPUs, the rights, priorities and policies are the chart's own, as helm
renders them. The service comes into the cluster as the chart's service account, so that it has the
rights that the chart gives it, and no more.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, Final

import yaml
from sublet_hub.one_machine.demo.jupyter_client import Person

from tests.support.helm_charts import run_helm
from tests.support.helm_documents import CHART
from tests.support.kube.api import Api, Manifest
from tests.support.kube.control_plane import NODE
from tests.support.kube.hub_on_machine import HubOnMachine
from tests.support.kube.node import Node
from tests.support.kube.notebook_image import NOTEBOOK
from tests.support.kube.owner_records import define_records
from tests.support.kube.processes import Programs, wait_for
from tests.support.kube.run_folder import cgroup_of
from tests.support.live_processes import command_of, live_processes

RELEASE: Final = "sublet"
GPU_GIB: Final = 6
UNIT_MIB: Final = 1024
LENT: Final = "sublet.dev/lent"
Right = tuple[str, str, str]
"""A group, a resource in it, and a verb."""
_RIGHTS: Final = "rbac.authorization.k8s.io/v1"
_MARGIN_MIB: Final = 128
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_OURS: Final = frozenset(
    {
        "ClusterRole",
        "ClusterRoleBinding",
        "DaemonSet",
        "OwnerRecords",
        "PriorityClass",
        "Role",
        "RoleBinding",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
)
QUOTA: Final[Manifest] = {
    "pools": [
        {
            "name": "interactive",
            "memory_overcommit": 2,
            "compute_overcommit": 8,
            "idle_after": "4s",
            "turn": "10s",
            "give_back_within": "60s",
            "lend_at_least": "2s",
        }
    ],
    "sizes": [
        {"name": "small", "title": "Small", "memory": "1 GiB", "compute": 0.125},
        {"name": "large", "title": "Large", "memory": "3 GiB", "compute": 0.5},
    ],
    "everyone": {"limit": {"memory": "4 GiB"}, "jobs": {"limit": {"cards": 4}}},
    # Not everybody of a crowd can have a server: two of them fill what their group may have.
    "groups": {"crowd": {"limit": {"memory": "2 GiB"}, "jobs": {"limit": {"cards": 4}}}},
}


@dataclass
class SubletOnCluster:
    """A running Sublet."""

    hub: HubOnMachine
    api: Api
    node: Node
    service_options: dict[str, str]

    def person(self, name: str) -> Person:
        """Return a user of the hub, logged in."""
        status, answer = self.hub.hub_call("POST", f"users/{name}/tokens", {"note": "tests"})
        assert status == 201, answer
        return Person(self.hub.url, name, "", token=answer["token"])

    def gpus(self) -> list[dict[str, Any]]:
        """Return the GPUs and their slices, as an admin sees them."""
        status, found = self.hub.service_call("GET", "gpus")
        assert status == 200, found
        return list(found)

    def slice_of(self, user: str) -> dict[str, Any]:
        """Return the slice of a user's server."""
        found = [each for gpu in self.gpus() for each in gpu["slices"] if _is_of(each, user)]
        assert len(found) == 1, f"{user} has {len(found)} slices"
        return found[0]

    def lent_units(self) -> int:
        """Return how much lent room the node says that it has."""
        status = self.api.get("v1", "Node", NODE)["status"]
        return int(status["allocatable"].get(LENT, "0"))

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job, as an admin sees it."""
        status, job = self.hub.service_call("GET", f"jobs/{job_id}")
        assert status == 200, job
        return dict(job)

    def job_pods(self, job_id: str) -> list[Manifest]:
        """Return the pods of a job's attempts."""
        return self.api.pods(f"sublet.dev/job-id={job_id}")

    def until_job(
        self, job_id: str, holds: Callable[[dict[str, Any]], Any], within_s: float
    ) -> Any:
        """Wait until a job is as wanted; failing, say how it is, and why."""

        def story() -> str:
            pods = [pod["metadata"]["name"] for pod in self.job_pods(job_id)]
            told = "\n".join(self.api.story_of(pod) for pod in pods)
            return f"the job, which is {self.job(job_id)}\n{told}\n{self.story()}"

        return wait_for(lambda: job if holds(job := self.job(job_id)) else None, within_s, story)

    def kill_service(self) -> None:
        """End the service as a power cut would."""
        self.hub.running["service"].kill()

    def restart_service(self, **changed: str) -> None:
        """End the service as an admin would, and start it again with changed options."""
        self.hub.running["service"].stop(60)
        self.start_service(**changed)

    def start_service(self, **changed: str) -> None:
        """Start the service again; returns when it answers, and hears the node's agent.

        ``changed`` are options that are others this time.
        """
        own = {f"SubletHub.{name}": value for name, value in changed.items()}
        self.hub.start_service({**self.service_options, **own})
        wait_for(self._service_answers, 120, lambda: f"the service to answer\n{self.story()}")

    def agent_pods(self) -> list[Manifest]:
        """Return the agents' pods."""
        return self._pods("agent")

    def kill_agent(self) -> None:
        """End the agent's process as a crash would; its watchdog begins another."""
        (pod,) = self.agent_pods()
        uid = pod["metadata"]["uid"]
        for process in live_processes():
            ours = "sublet_agent.app.serving" in command_of(process)
            if ours and uid in self.node.cgroups_of(process.pid):
                process.kill()
                return
        message = f"the pod {uid} has no agent\n{self.story()}"
        raise LookupError(message)

    def rights_of_service(self) -> tuple[set[Right], set[Right], list[str]]:
        """Return what the service may do, what it has done, and what was refused to it."""
        granted: set[Right] = set()
        own = {"kind": "ServiceAccount", "name": RELEASE, "namespace": self.api.namespace}
        for kind in ("RoleBinding", "ClusterRoleBinding"):
            for binding in self.api.all(_RIGHTS, kind):
                if own not in binding.get("subjects", ()):
                    continue
                of = binding["roleRef"]
                for rule in self.api.get(_RIGHTS, of["kind"], of["name"])["rules"]:
                    granted |= set(product(rule["apiGroups"], rule["resources"], rule["verbs"]))
        events = self.api.plane.asked_by(f"{self.api.namespace}:{RELEASE}")
        asked = {_right(each["verb"], each["objectRef"]) for each in events if "objectRef" in each}
        refused = [each["requestURI"] for each in events if each["responseStatus"]["code"] == 403]
        return granted, asked, refused

    def replace_agent(self) -> None:
        """End the agent's pod; returns when another serves in its place."""
        (before,) = self.agent_pods()
        self.api.delete("v1", "Pod", before["metadata"]["name"])
        self._wait_for_agent_after(before)

    def upgrade_agent(self) -> None:
        """Change the agents' pods, as another version does; returns when the new one serves."""
        (before,) = self.agent_pods()
        changed = {"metadata": {"annotations": {"sublet.test/upgraded": "true"}}}
        name = f"{RELEASE}-agent"
        self.api.patch("apps/v1", "DaemonSet", name, {"spec": {"template": changed}})
        self._wait_for_agent_after(before)

    def _wait_for_agent_after(self, before: Manifest) -> None:
        def another() -> bool:
            uids = {pod["metadata"]["uid"] for pod in self.agent_pods() if _is_ready(pod)}
            return bool(uids) and before["metadata"]["uid"] not in uids

        wait_for(another, 180, lambda: f"another agent\n{self.story()}")
        # The one before has ended: what is heard from now on the new one has said.
        now = datetime.now(UTC)
        heard = lambda: self.hears_agent(since=now)  # noqa: E731
        wait_for(heard, 180, lambda: f"the new agent to be heard\n{self.story()}")

    def stop(self) -> None:
        """End hub and service, and what makes pods."""
        self.hub.stop()
        for each in self.api.all("apps/v1", "DaemonSet"):
            self.api.delete("apps/v1", "DaemonSet", each["metadata"]["name"])

    def story(self) -> str:
        """Say what agent and service said last."""
        told = [self.hub.running["service"].tail()]
        for pod in [*self.agent_pods(), *self._pods("simulated-gpus")]:
            name = pod["metadata"]["name"]
            told.append(f"{self.api.story_of(name)[-1500:]}\n{self._log_of(name)}")
        return "\n".join(told)

    def _log_of(self, pod: str) -> str:
        try:
            return self.api.log(pod)[-4000:]
        except Exception as error:  # noqa: BLE001 - it is only told
            return str(error)

    def _pods(self, component: str) -> list[Manifest]:
        labels = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={component}"
        return self.api.pods(labels)

    def hears_agent(self, since: datetime = _LONG_AGO) -> bool:
        """Say whether the node's agent reports to the service, and has done so since a time."""
        here = [gpu for gpu in self.gpus() if gpu["node"] == NODE and not gpu["silent"]]
        return any(datetime.fromisoformat(gpu["seen_at"]) > since for gpu in here)

    def _service_answers(self) -> bool:
        self.hub.running["service"].must_run()
        status, _ = self.hub.service_call("GET", "openapi.json")
        return status == 200 and self.hears_agent()


def start_sublet(programs: Programs, api: Api, node: Node, folder: Path) -> SubletOnCluster:
    """Start it in the namespace of ``api``; returns when the service hears the node's agent."""
    hub = HubOnMachine(programs, api, node.network, folder)
    hub.owner_records = RELEASE
    objects = _rendered(hub, folder)
    define_records(api)
    for each in objects:
        if each["kind"] in _OURS or each["metadata"]["name"] == f"{RELEASE}-agent":
            api.create(each)
    service = _configuration(objects, "service", "sublet_hub.json")
    quota = folder / "quota.yaml"
    quota.write_text(_config_map(objects, "quota")["quota.yaml"])
    service["SubletHub"] |= {
        "quota_file": str(quota),
        "metrics_token_file": "",
        "kube_namespace": api.namespace,
        "kubeconfig": str(api.account_kubeconfig(RELEASE)),
        "missing_s": 5,
        "job_pending_s": 600,
        "job_memory": "256Mi",
    }
    configuration = folder / "sublet_hub.json"
    configuration.write_text(json.dumps(service))
    options = {"config": str(configuration)}
    hub.priority_class = next(
        each["metadata"]["name"]
        for each in objects
        if each["kind"] == "PriorityClass" and each["metadata"]["name"].endswith("-notebook")
    )
    hub.start(options)
    sublet = SubletOnCluster(hub, api, node, options)
    wait_for(sublet.hears_agent, 180, lambda: f"the agent\n{sublet.story()}")
    return sublet


def _rendered(hub: HubOnMachine, folder: Path) -> list[Manifest]:
    repository, _, tag = NOTEBOOK.rpartition(":")
    here = {"kubernetes.io/hostname": NODE}
    values = {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "jupyterhub": {"proxyUrl": hub.url},
        "quota": QUOTA,
        "agent": {
            "serviceUrl": f"{hub.url}/services/sublet/",
            "hostPaths": {"tenants": str(hub.node_folder), "journal": str(folder / "journal")},
            "settings": {
                "kubelet_cgroup_root": f"/{cgroup_of(hub.programs.folder)}",
                "margin_mib": _MARGIN_MIB,
                "log_level": "DEBUG",
                # The hub's proxy is on this machine, and the node too.
                "plain_http": True,
            },
            "terminationGracePeriodSeconds": 10,
        },
        "lending": {"devicePlugin": {"unitMib": UNIT_MIB}},
        # Pretended nodes run nothing.
        "simulatedGpus": {
            "enabled": True,
            "memoryGib": GPU_GIB,
            "speed": 20,
            "nodeSelector": here,
        },
    }
    said = run_helm(*("template", RELEASE, CHART, "--namespace", hub.api.namespace), values=values)
    return [each for each in yaml.safe_load_all(said) if each]


def _config_map(objects: list[Manifest], part: str) -> dict[str, str]:
    for each in objects:
        if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", f"{RELEASE}-{part}"):
            return dict(each["data"])
    message = f"the chart has no configuration of {part}"
    raise LookupError(message)


def _configuration(objects: list[Manifest], part: str, key: str) -> Manifest:
    return dict(json.loads(_config_map(objects, part)[key]))


def _right(verb: str, of: Manifest) -> Right:
    resource = "/".join(filter(None, (of["resource"], of.get("subresource"))))
    return of.get("apiGroup", ""), resource, verb


def _is_of(found: dict[str, Any], user: str) -> bool:
    lease = found["lease"]
    return (lease["owner"], lease["holder"]) == (user, "notebook")


def _is_ready(pod: Manifest) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
