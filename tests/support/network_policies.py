"""What network policies let through between pods, by labels alone.

Rules by addresses (``ipBlock``) let no pod in or out here: so it is where Cilium enforces policies,
and what must work there works everywhere. All pods are of one namespace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Policy = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PolicedPod:
    """What policies know of a pod."""

    labels: Mapping[str, str]
    ports: Mapping[str, int] = field(default_factory=dict)
    """Its ports by their names."""


def pod_of(workload: Mapping[str, Any]) -> PolicedPod:
    """Return what policies know of a Deployment's or DaemonSet's pods, or of a pod."""
    pod = workload["spec"].get("template", workload)
    ports = {
        port["name"]: port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
    }
    return PolicedPod(pod["metadata"]["labels"], ports)


def lets_through(
    policies: Sequence[Policy], source: PolicedPod, target: PolicedPod, port: int
) -> bool:
    """Say whether ``source`` may open a connection to a port of ``target``."""
    out = _rules(policies, source, "Egress", "egress")
    into = _rules(policies, target, "Ingress", "ingress")
    goes_out = out is None or any(_fits(rule, "to", target, target, port) for rule in out)
    comes_in = into is None or any(_fits(rule, "from", source, target, port) for rule in into)
    return goes_out and comes_in


def _rules(
    policies: Sequence[Policy], pod: PolicedPod, kind: str, key: str
) -> list[Mapping[str, Any]] | None:
    """Return the rules for a pod; ``None`` where no policy is about it, and all is let through."""
    about = [
        policy["spec"]
        for policy in policies
        if kind in policy["spec"]["policyTypes"] and _selects(policy["spec"]["podSelector"], pod)
    ]
    return [rule for spec in about for rule in spec.get(key) or ()] if about else None


def _fits(
    rule: Mapping[str, Any], key: str, peer: PolicedPod, target: PolicedPod, port: int
) -> bool:
    ports = [each["port"] for each in rule.get("ports", ()) if each.get("protocol") != "UDP"]
    if ports and port not in [target.ports.get(each, each) for each in ports]:
        return False
    peers = rule.get(key)
    return peers is None or any(
        _selects(each["podSelector"], peer) for each in peers if "podSelector" in each
    )


def _selects(selector: Mapping[str, Any], pod: PolicedPod) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    expressions = selector.get("matchExpressions", ())
    assert all(each["operator"] == "Exists" for each in expressions), expressions
    return wanted <= pod.labels.items() and all(each["key"] in pod.labels for each in expressions)
