"""The file of the control groups that the agent uses, written before any of them is ever frozen.

The agent's watchdog and the next agent thaw what is in this file: a frozen notebook is a hung
notebook. The kernel says which groups are frozen; the file says only where to look.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sublet_quota.names.ids import GpuId, SliceId

from sublet_agent.cgroups.outsiders_file import is_anybody_held, let_go_left_over
from sublet_agent.cgroups.trees import FreezerTree, thaw_surely
from sublet_agent.durable_writes import replace_file

REST: Final = "rest"
"""The name, in a slice's group, of the part for everybody who was not set apart."""
MOVED: Final = "moved"
"""The name, in a slice's group, of the part for processes whose memory has been moved: they must
answer the driver.
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SliceGroup:
    """The control group of one slice: one that the agent made, or a pod's."""

    slice_id: SliceId
    gpu_id: GpuId
    tree: FreezerTree
    place: str
    pod_uid: str | None = None
    unit: str | None = None
    """The place of the systemd unit that the slice's server alone runs in, in the same tree."""

    @property
    def is_own(self) -> bool:
        """Whether the agent made the group, and may move processes into it."""
        return self.pod_uid is None

    @property
    def places(self) -> tuple[str, ...]:
        """Every place of the slice that may be frozen: in the agent's own group its parts, too."""
        own = (self.place, self.rest, self.moved) if self.is_own else (self.place,)
        return own if self.unit is None else (self.unit, *own)

    @property
    def whole(self) -> str:
        """The place of all of the slice's processes, those that nobody has moved included."""
        return self.unit or self.place

    @property
    def rest(self) -> str:
        """The place of the processes that stand still while others of this slice come back."""
        return f"{self.place}/{REST}"

    @property
    def moved(self) -> str:
        """The place of the processes that must never be frozen while they come back."""
        return f"{self.place}/{MOVED}"


class GroupsFile:
    """The records of slices' groups, in a file for the agent's account alone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[SliceGroup]:
        """Return the groups that were kept; of a file that cannot be read, none."""
        try:
            return [_from_fields(fields) for fields in json.loads(self._path.read_bytes())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the control groups in %s cannot be read: %s", self._path, error)
            return []

    def keep(self, groups: Iterable[SliceGroup]) -> None:
        """Replace what is kept. Groups do not outlive the machine: nothing is forced to disk."""
        replace_file(self._path, json.dumps([_to_fields(g) for g in groups]).encode())


def is_anything_frozen(file: Path) -> bool:
    """Whether a group in the file was frozen, or an outsider held, and nobody thawed it."""
    groups = GroupsFile(file).load()
    return is_anybody_held(file) or any(
        g.tree.is_told_to_freeze(place) for g in groups for place in g.places
    )


def thaw_left_over(file: Path) -> list[str]:
    """Thaw whatever an agent that is dead left frozen, and outsiders; return the slices' ids."""
    thawed = []
    for group in GroupsFile(file).load():
        left = [place for place in group.places if group.tree.is_told_to_freeze(place)]
        # All of them, also when one stays frozen.
        outcomes = [thaw_surely(group.tree, place) for place in left]
        if left and all(outcomes):
            thawed.append(str(group.slice_id))
    try:
        let_go_left_over(file)
    except OSError as error:
        # They run by then: nobody is frozen for what the disk says.
        log.warning("the record of outsiders beside %s is not removed: %s", file, error)
    return thawed


def _to_fields(group: SliceGroup) -> dict[str, object]:
    return {
        "slice": group.slice_id,
        "gpu": group.gpu_id,
        **group.tree.fields,
        "place": group.place,
        "pod": group.pod_uid,
        "unit": group.unit,
    }


def _from_fields(fields: dict[str, Any]) -> SliceGroup:
    pod, unit = fields["pod"], fields.get("unit")
    return SliceGroup(
        SliceId(str(fields["slice"])),
        GpuId(str(fields["gpu"])),
        FreezerTree.from_fields(fields),
        str(fields["place"]),
        None if pod is None else str(pod),
        None if unit is None else str(unit),
    )
