"""What a pod asks of its node beside GPUs, as the cluster's scheduler adds it up.

A container asks for its request, else for its limit; containers that run beside each other ask
together, and those that run before them by turns.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sublet_quota.amounts.kube_quantity import cpu_milli_asked, memory_mib_asked
from sublet_quota.amounts.node_amounts import NOTHING_OF_NODE, NodeAmount
from sublet_quota.errors import AmountError
from sublet_quota.wire.api import TakenOfNode

_ALWAYS: Final = "Always"


def taken_by(spec: Mapping[str, Any], of_cap: float = 0.0) -> TakenOfNode | None:
    """Return what a pod's ``spec`` asks for; ``None`` where an amount is none.

    ``of_cap``: how many times its slice's cap is still to come on top.
    """
    try:
        beside = _added(map(_asked, spec.get("containers") or ()))
        most = stays = NOTHING_OF_NODE
        for container in spec.get("initContainers") or ():
            asked = _asked(container)
            most = _more_of(most, stays + asked)
            if container.get("restartPolicy") == _ALWAYS:
                stays += asked
        most = _more_of(most, beside + stays) + _amount(spec.get("overhead") or {})
    except AmountError:
        return None
    return TakenOfNode(
        cpu_milli=most.cpu_milli, memory_mib=most.memory_mib, of_cap_milli=_milli(of_cap)
    )


def _milli(factor: float) -> int:
    """Return a factor in thousandths, never too little."""
    return -int(-factor * 1000 // 1)


def _asked(container: Mapping[str, Any]) -> NodeAmount:
    resources = container.get("resources") or {}
    told = (resources.get("limits") or {}, resources.get("requests") or {})
    return _amount({name: each for part in told for name, each in part.items() if each})


def _amount(asked: Mapping[str, Any]) -> NodeAmount:
    return NodeAmount(
        cpu_milli_asked(asked.get("cpu") or 0), memory_mib_asked(asked.get("memory") or 0)
    )


def _added(amounts: Iterable[NodeAmount]) -> NodeAmount:
    return sum(amounts, NOTHING_OF_NODE)


def _more_of(one: NodeAmount, other: NodeAmount) -> NodeAmount:
    return NodeAmount(max(one.cpu_milli, other.cpu_milli), max(one.memory_mib, other.memory_mib))
