"""The service's options that concern Kubernetes; below them, ``sublet_hub.kube`` is asked for."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from traitlets import Enum, HasTraits, Unicode

from sublet_hub.errors import ConfigurationError
from sublet_hub.link.identity import AgentIdentities
from sublet_hub.link.node_secrets import NodeSecrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from sublet_hub.kube.api import KubeApi

_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class KubeOptions(HasTraits):
    """What ``SubletHub`` can be told about its cluster."""

    agent_identity = Enum(
        ("secrets", "kubernetes"),
        "secrets",
        help="How agents prove which node they serve: by a secret for each node, or (kubernetes) "
        "by the service account token of their pod, for the audience 'sublet', in which "
        "Kubernetes names the node.",
    ).tag(config=True)
    agent_service_account = Unicode(
        "sublet-agent",
        help="The service account of the agents' pods, in kube_namespace; tokens of any other are "
        "refused.",
    ).tag(config=True)
    kube_namespace = Unicode(
        "",
        help="The namespace of the agents. By default the one that this service's pod runs in.",
    ).tag(config=True)
    kubeconfig = Unicode(
        "",
        help="A file with the way into the cluster. By default the service account of this "
        "service's pod.",
    ).tag(config=True)

    @property
    def needs_kubernetes(self) -> bool:
        """Whether anything here asks Kubernetes' API."""
        return bool(self.agent_identity == "kubernetes")

    async def connect_to_kubernetes(self) -> "KubeApi | None":
        """The way into the cluster, where one is needed."""
        if not self.needs_kubernetes:
            return None
        try:
            from sublet_hub.kube.api import connect  # noqa: PLC0415 - an extra brings its packages
        except ImportError as error:
            message = f"{error}: install Sublet with its extra 'kubernetes'"
            raise ConfigurationError(message) from error
        return await connect(self.kubeconfig)

    def agents_of(
        self, kube: "KubeApi | None", secrets_folder: Path, now: "Callable[[], datetime]"
    ) -> AgentIdentities:
        """Whoever knows the agents, as the options say."""
        if kube is None or self.agent_identity == "secrets":
            secrets = NodeSecrets(secrets_folder)
            secrets.check()
            return secrets
        from sublet_hub.kube.agent_tokens import (  # noqa: PLC0415 - the same
            AgentTokens,
            ServiceAccount,
        )

        account = ServiceAccount(self.own_namespace(), self.agent_service_account)
        return AgentTokens(kube, account, now)

    def own_namespace(self) -> str:
        """The namespace of service and agents."""
        if self.kube_namespace:
            return self.kube_namespace
        try:
            return _OWN_NAMESPACE.read_text(encoding="ascii").strip()
        except OSError as error:
            message = (
                f"the namespace of this service is not known ({error}): set "
                "SubletHub.kube_namespace"
            )
            raise ConfigurationError(message) from error
