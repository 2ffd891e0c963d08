"""The pod that a process is in, by the names of the kubelet's control groups.

The first component of a path that is a pod's decides: whoever makes groups named after another pod
can do so only below the group of their own. Before it only the kubelet's own names may stand, below
the group that the kubelet was given as its root; elsewhere a tenant may have been given a part of
the tree to name as they like.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

_UID: Final = r"(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})"
_POD: Final = re.compile(
    rf"(?:(?:kubelet-)?kubepods(?:-burstable|-besteffort)?-)?pod{_UID}(\.slice)?"
)
_UP: Final = re.compile(r"^(/\.\.)+(?=/)")
_ABOVE: Final = re.compile(
    r"\.\.|burstable|besteffort|kubelet(\.slice)?|"
    r"(kubelet-)?kubepods(-burstable|-besteffort)?(\.slice)?"
)


def pod_of(lines: Iterable[str], root: str = "/") -> str | None:
    """Return the UID of the pod that the lines of ``/proc/PID/cgroup`` name.

    ``None`` where they name none, or where hierarchies disagree.
    """
    uids = {uid for line in lines if (uid := pod_in(line.split(":", 2)[2], root))}
    return uids.pop() if len(uids) == 1 else None


def pod_in(place: str, root: str = "/") -> str | None:
    """Return the UID of the outermost pod in a path below the kubelet's root, or ``None``."""
    below = _below(place, root.rstrip("/"))
    for component in below.split("/"):
        if not component:
            continue
        pod = _POD.fullmatch(component)
        if pod is not None:
            return pod["uid"].replace("_", "-")
        if _ABOVE.fullmatch(component) is None:
            return None
    return None


def _below(place: str, root: str) -> str:
    """Return a group's path without the kubelet's root; ``""`` elsewhere: nothing there is a pod's.

    From a container's own namespace of groups a path begins as many steps up as it takes, and the
    root is in it only where they lead out of it.
    """
    from_here = _UP.sub("", place)
    if from_here.startswith(f"{root}/"):
        return from_here.removeprefix(root)
    return from_here if from_here != place else ""


def pod_places(uid: str, root: str = "/") -> Iterator[str]:
    """Yield the places where a kubelet may have made the group of the pod with this UID."""
    top = root.rstrip("/")
    under = uid.replace("-", "_")
    for quality in ("-burstable", "-besteffort", ""):
        folder = f"/{quality[1:]}" if quality else ""
        yield f"{top}/kubepods{folder}/pod{uid}"
        yield f"{top}/kubelet/kubepods{folder}/pod{uid}"
        for above, start in (("", ""), ("/kubelet.slice", "kubelet-")):
            parent = f"{above}/{start}kubepods.slice"
            if quality:
                parent += f"/{start}kubepods{quality}.slice"
            yield f"{top}{parent}/{start}kubepods{quality}-pod{under}.slice"
