"""Builders of the objects that tests make in a cluster."""

from typing import Any, Final

from tests.support.kube.api import Manifest
from tests.support.kube.control_plane import NODE
from tests.support.kube.pretended_nodes import GPU

_TOLERATED: Final = [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}]


def container(image: str = "pretended", *, gpus: int = 0, **more: Any) -> Manifest:
    """Return a container, asking for GPUs."""
    resources = {"limits": {GPU: str(gpus)}} if gpus else {}
    return {"name": "main", "image": image, "resources": resources, **more}


def pretended_pod(*, gpus: int = 0, node: str | None = None, **spec: Any) -> Manifest:
    """Return a pod's inside for nodes that kwok plays."""
    where = {"kubernetes.io/hostname": node} if node else {"type": "pretended"}
    return {
        "containers": [container(gpus=gpus)],
        "tolerations": _TOLERATED,
        "nodeSelector": where,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        **spec,
    }


def real_pod(main: Manifest, **spec: Any) -> Manifest:
    """Return a pod's inside for the real node."""
    return {
        "containers": [main],
        "nodeName": NODE,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **spec,
    }


def pod(name: str, spec: Manifest, **labels: str) -> Manifest:
    """Return a pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }


def job(name: str, spec: Manifest, **labels: str) -> Manifest:
    """Return a Job of one pod, made anew as often as it is lost."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "backoffLimit": 6,
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def priority_class(name: str, value: int) -> Manifest:
    """Return a priority class."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
    }
