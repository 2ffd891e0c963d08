"""What the check is told of the release that it looks at: one JSON text, which the chart writes."""

from pydantic import BaseModel, ConfigDict


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Agents(_Told):
    """The agents of a release."""

    daemon_set: str
    labels: dict[str, str]
    """Which labels their nodes have."""
    value: str
    """The chart's value with these labels: its part, such as ``agent``."""
    runtime_class: str
    simulated: bool
    lend: bool
    """Whether what is idle there is lent."""
    service_url: str
    """Where they look for the service."""


class ReleaseSettings(_Told):
    """A release of the chart: what its objects are called, and what its values say."""

    namespace: str
    release: str
    deployment: str
    service_url: str
    proxy_url: str
    """Where users' servers look for the service; empty: that is not looked at."""
    hub_url: str
    token_secret: str
    token_key: str
    hub_labels: dict[str, str]
    """By which the chart's network policies know the hub's pod; empty: there are none."""
    priority_classes: dict[str, str]
    """Names by the chart's values that say them."""
    admission_policies: tuple[str, ...]
    """The bindings of the policies for jobs; empty: there are none."""
    owner_records: tuple[str, ...]
    """The objects that these policies read; empty: there are none."""
    hub_account: str
    """The hub's service account, which writes these."""
    agents: Agents | None
    """``None``: no agents are wanted."""

    def pods_of(self, part: str) -> str:
        """Return the labels of a part's pods, as a selector."""
        return f"app.kubernetes.io/instance={self.release},app.kubernetes.io/component={part}"
