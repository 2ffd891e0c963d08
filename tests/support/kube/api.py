"""Speaks to an API server in JSON; paths come from what the server says it serves."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests

from tests.support.kube.control_plane import ADMIN, ControlPlane
from tests.support.kube.processes import wait_for

Manifest = dict[str, Any]
_ANSWER_S: Final = 60.0
_MERGE: Final = "application/merge-patch+json"


class RefusedError(Exception):
    """The API server refused; ``status`` is HTTP's number, ``causes`` what its details say."""

    def __init__(self, status: int, message: str, causes: Sequence[str] = ()) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.causes = tuple(causes)


@dataclass
class Api:
    """One user's way into a cluster, and a namespace where none is said."""

    plane: ControlPlane
    user: str = ADMIN
    namespace: str = "default"
    token: str | None = None
    _served: dict[str, dict[str, tuple[str, bool]]] = field(default_factory=dict)

    def within(self, namespace: str) -> "Api":
        """Return the same way in, with another namespace."""
        return Api(self.plane, self.user, namespace, self.token, self._served)

    def with_token(self, token: str) -> "Api":
        """Return a way in as whoever holds a token, for instance a service account."""
        return Api(self.plane, "", self.namespace, token, self._served)

    def create(self, manifest: Manifest) -> Manifest:
        """Make an object."""
        namespace = manifest["metadata"].get("namespace", self.namespace)
        path = self.path(manifest["apiVersion"], manifest["kind"], namespace=namespace)
        return self.call("POST", path, manifest)

    def get(self, version: str, kind: str, name: str) -> Manifest:
        """Return one object."""
        return self.call("GET", self.path(version, kind, name))

    def find(self, version: str, kind: str, name: str) -> Manifest | None:
        """Return one object, or None where there is none."""
        try:
            return self.get(version, kind, name)
        except RefusedError as refused:
            if refused.status == 404:
                return None
            raise

    def make_namespace(self, name: str) -> "Api":
        """Make a namespace, and return the way into it once pods can be made there."""
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        within = self.within(name)
        wait_for(lambda: within.find("v1", "ServiceAccount", "default"), 60, "its account")
        return within

    def all(self, version: str, kind: str, labels: str = "") -> list[Manifest]:
        """Return the objects of a kind that carry labels."""
        query = f"?labelSelector={requests.utils.quote(labels)}" if labels else ""
        items: list[Manifest] = self.call("GET", self.path(version, kind) + query)["items"]
        return items

    def patch(
        self, version: str, kind: str, name: str, change: Manifest, *, part: str = ""
    ) -> Manifest:
        """Change an object, or a part of it such as ``status``."""
        path = self.path(version, kind, name) + (f"/{part}" if part else "")
        return self.call("PATCH", path, change, content=_MERGE)

    def delete(self, version: str, kind: str, name: str, grace_s: int | None = None) -> None:
        """Remove an object; what is gone already is no error."""
        options: Manifest = {"propagationPolicy": "Background"}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        try:
            self.call("DELETE", self.path(version, kind, name), options)
        except RefusedError as refused:
            if refused.status != 404:
                raise

    def call(
        self, method: str, path: str, body: Any = None, *, content: str = "application/json"
    ) -> Any:
        """Send a request and return what is answered: an object, or text where it is none."""
        token = self.token or self.plane.tokens[self.user]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content}
        answer = self.plane.session.request(
            method,
            self.plane.url + path,
            headers=headers,
            json=body,
            verify=str(self.plane.keys.authority),
            timeout=_ANSWER_S,
        )
        if not answer.ok:
            message = f"{method} {path}: {_message(answer)}"
            raise RefusedError(answer.status_code, message, _causes(answer))
        if answer.headers.get("Content-Type", "").startswith("application/json"):
            return answer.json()
        return answer.text

    def path(self, version: str, kind: str, name: str = "", *, namespace: str | None = None) -> str:
        """Return where objects of a kind are served."""
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        if kind not in self._served.get(version, {}):
            found = self.call("GET", root)["resources"]
            self._served[version] = {
                each["kind"]: (each["name"], each["namespaced"])
                for each in found
                if "/" not in each["name"]
            }
        if kind not in self._served[version]:
            message = f"{version} has no {kind}, but {sorted(self._served[version])}"
            raise RefusedError(404, message)
        plural, namespaced = self._served[version][kind]
        middle = f"/namespaces/{namespace or self.namespace}" if namespaced else ""
        return f"{root}{middle}/{plural}" + (f"/{name}" if name else "")

    def serves(self, version: str, kind: str) -> bool:
        """Say whether a kind is served, and told of to who asks what there is.

        Of a kind that has just been defined the API server does the one earlier than the other.
        """
        root = f"/apis/{version}"
        try:
            found = self.call("GET", root)["resources"]
            names = [each["name"] for each in found if each["kind"] == kind]
            return bool(names) and bool(self.call("GET", f"{root}/{names[0]}"))
        except RefusedError as refused:
            if refused.status in {404, 503}:
                return False
            raise

    def account_token(self, account: str, *, audience: str = "", seconds: int = 7200) -> str:
        """Return a token of a service account, as a pod gets one."""
        wanted = {"audiences": [audience] if audience else [], "expirationSeconds": seconds}
        path = f"{self.path('v1', 'ServiceAccount', account)}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": wanted}
        return str(self.call("POST", path, body)["status"]["token"])

    def account_kubeconfig(self, account: str) -> Path:
        """Return a file with which a program comes in as a service account."""
        name = f"{self.namespace}-{account}"
        return self.plane.kubeconfig_with_token(name, self.account_token(account))

    def pod(self, name: str) -> Manifest:
        return self.get("v1", "Pod", name)

    def pods(self, labels: str = "") -> list[Manifest]:
        return self.all("v1", "Pod", labels)

    def wait_for_phase(self, name: str, phase: str, within_s: float = 120.0) -> Manifest:
        """Return a pod once it is in a phase; failing, say what it is in and what befell it."""
        found: Manifest = wait_for(
            lambda: pod if (pod := self.pod(name))["status"].get("phase") == phase else None,
            within_s,
            lambda: f"pod {name} to be {phase}: {self.story_of(name)}",
        )
        return found

    def story_of(self, name: str) -> str:
        """Say in words what a pod is in, and what befell it."""
        pod = self.find("v1", "Pod", name) or {"status": "there is none"}
        about = [
            f"{event['reason']}: {event.get('message', '')}"
            for event in self.all("v1", "Event")
            if event["involvedObject"].get("name") == name
        ]
        return f"{pod['status']}\n" + "\n".join(about)

    def log(self, name: str, container: str = "", *, before: bool = False) -> str:
        """Return what a pod's container said, or did before it was started again."""
        query = f"?container={container}&previous={str(before).lower()}"
        return str(self.call("GET", f"{self.path('v1', 'Pod', name)}/log{query}"))


def _message(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError):
        return answer.text[:2000]


def _causes(answer: requests.Response) -> list[str]:
    try:
        return [str(each.get("message", "")) for each in answer.json()["details"]["causes"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
