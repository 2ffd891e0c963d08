"""A release of the chart as `helm test` reads it: by its own account, with what its pod is told.

helm makes account and rights when it tests; here they are made from the same templates, so that
they can be had for longer.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sublet_hub.kubernetes_api.client import connect
from sublet_hub.kubernetes_api.errors import KubeError
from sublet_hub.release_check.__main__ import VARIABLE, look
from sublet_hub.release_check.cluster import ReleaseReader
from sublet_hub.release_check.facts import ClusterFacts, Reached, Seen
from sublet_hub.release_check.findings import find_faults
from sublet_hub.release_check.settings import ReleaseSettings
from sublet_quota.reasons.installation.faults import Fault, Finding

from tests.support.helm_charts import RELEASE, Rendered, render, run_helm
from tests.support.helm_documents import CHART
from tests.support.kube.api import Api
from tests.support.kube.processes import wait_for
from tests.support.releases import health

WITHIN_S: Final = 120
_KINDS: Final = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


@dataclass
class CheckedRelease:
    """A release, and the check's way to what Kubernetes says of it."""

    api: Api
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Settings with addresses that are others for the tests: they do not know names of pods."""
    made: list[dict[str, Any]] = field(default_factory=list)
    chart: Rendered | None = None

    def helm(self, *words: Any, values: Mapping[str, Any] | None = None) -> str:
        """Run helm in the release's namespace."""
        where = ("--namespace", self.api.namespace)
        return run_helm(*words, *where, values=values, kubeconfig=self.api.plane.kubeconfig())

    def install(self, values: Mapping[str, Any]) -> None:
        """Install it, or upgrade it, and make the check's rights."""
        self.remove_rights()
        self.helm("upgrade", "--install", RELEASE, CHART, values=values)
        self.chart = render(values, self.api.namespace)
        self.make_rights()

    def make_rights(self) -> None:
        """Make what helm makes when it tests; returns when the check may read.

        The API server goes by an account of this name that is gone, and by what it had no right to,
        for some time after it has made another.
        """
        self.remove_rights()
        assert self.chart is not None
        for kind in _KINDS:
            for each in self.chart.all(kind):
                if "helm.sh/hook" in each["metadata"].get("annotations", {}):
                    self.made.append(each)
                    self.api.create(each)
        refused = ""

        def may_read() -> bool:
            nonlocal refused
            try:
                self.read()
            except KubeError as error:
                refused = str(error)
                return False
            return True

        wait_for(may_read, WITHIN_S, lambda: f"the check's rights: {refused}")

    def remove_rights(self) -> None:
        """Remove them, as helm does."""
        while self.made:
            each = self.made.pop()
            self.api.delete(each["apiVersion"], each["kind"], each["metadata"]["name"])

    @property
    def settings(self) -> ReleaseSettings:
        """What the check's pod is told."""
        assert self.chart is not None
        (container,) = self.chart.one("Pod", f"{RELEASE}-check")["spec"]["containers"]
        (told,) = (e["value"] for e in container["env"] if e["name"] == VARIABLE)
        found = ReleaseSettings.model_validate_json(told)
        return found.model_copy(update=dict(self.addresses))

    def read(self) -> ClusterFacts:
        """Read as the check does, with its account's rights. ``KubeError``."""

        async def read() -> ClusterFacts:
            api = await connect(str(self.api.account_kubeconfig(f"{RELEASE}-check")))
            try:
                return await ReleaseReader(api, self.settings).read()
            finally:
                await api.close()

        return asyncio.run(read())

    def findings(self) -> tuple[Finding, ...]:
        """What the check finds wrong."""

        async def find() -> Seen:
            api = await connect(str(self.api.account_kubeconfig(f"{RELEASE}-check")))
            try:
                return await look(api, self.settings)
            finally:
                await api.close()

        return find_faults(self.settings, asyncio.run(find()))

    def findings_beside(self, *, serves: bool) -> tuple[Finding, ...]:
        """What is wrong beside a service that answers well, or not at all."""
        told = Reached(health()) if serves else Reached(words="nobody")
        seen = Seen(self.read(), told, told if serves else None)
        return find_faults(self.settings, seen)

    def until_told(
        self, *faults: Fault, serves: bool | None = None, words: str = "", story: Any = str
    ) -> str:
        """Wait until exactly these faults are found, with these words; returns their sentences.

        ``serves``: the service is not asked, and taken to answer well, or not at all.
        """
        found: tuple[Finding, ...] = ()

        def is_so() -> bool:
            nonlocal found
            found = self.findings() if serves is None else self.findings_beside(serves=serves)
            told = all(words in each.sentence for each in found)
            return told and [each.fault for each in found] == list(faults)

        wanted = [each.name for each in faults]
        wait_for(is_so, WITHIN_S, lambda: f"{wanted}, but it is {found}\n{story()}")
        return "\n".join(each.sentence for each in found)
