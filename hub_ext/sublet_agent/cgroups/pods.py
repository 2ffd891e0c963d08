"""Which pod a process is in, as the names of the kubelet's control groups say.

The first component of a path that is a pod's decides: whoever makes groups named after another
pod can do so only below the group of their own. Before it only the kubelet's own names may stand;
elsewhere a tenant may have been given a part of the tree to name as they like.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

_UID: Final = r"(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})"
_POD: Final = re.compile(
    rf"(?:(?:kubelet-)?kubepods(?:-burstable|-besteffort)?-)?pod{_UID}(\.slice)?"
)
_ABOVE: Final = re.compile(
    r"\.\.|burstable|besteffort|kubelet(\.slice)?|"
    r"(kubelet-)?kubepods(-burstable|-besteffort)?(\.slice)?"
)


def pod_of(lines: Iterable[str]) -> str | None:
    """Return the UID of the pod that the lines of ``/proc/PID/cgroup`` name.

    ``None`` where they name none, or where hierarchies disagree.
    """
    uids = {uid for line in lines if (uid := pod_in(line.split(":", 2)[2])) is not None}
    return uids.pop() if len(uids) == 1 else None


def pod_in(place: str) -> str | None:
    """Return the UID of the outermost pod in a group's path."""
    for component in place.split("/"):
        if not component:
            continue
        pod = _POD.fullmatch(component)
        if pod is not None:
            return pod["uid"].replace("_", "-")
        if _ABOVE.fullmatch(component) is None:
            return None
    return None


def pod_places(uid: str) -> Iterator[str]:
    """Name the places where a kubelet may have made a pod's group."""
    under = uid.replace("-", "_")
    for quality in ("-burstable", "-besteffort", ""):
        folder = f"/{quality[1:]}" if quality else ""
        yield f"/kubepods{folder}/pod{uid}"
        yield f"/kubelet/kubepods{folder}/pod{uid}"
        for above, start in (("", ""), ("/kubelet.slice", "kubelet-")):
            parent = f"{above}/{start}kubepods.slice"
            if quality:
                parent += f"/{start}kubepods{quality}.slice"
            yield f"{parent}/{start}kubepods{quality}-pod{under}.slice"
