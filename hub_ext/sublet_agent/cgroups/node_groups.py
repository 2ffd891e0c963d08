"""The control groups of one node, put together from its settings."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.not_frozen import NotFrozen, UnfrozenSlices, not_frozen_clause
from sublet_quota.wire.agent_link import SliceAssignment

from sublet_agent.cgroups.accounts_file import AccountsFile
from sublet_agent.cgroups.driver_calls import NVIDIAS, DriverCalls
from sublet_agent.cgroups.freezer import Freezer, NoFreezer
from sublet_agent.cgroups.freezing import SliceFreezer
from sublet_agent.cgroups.maintenance import GroupKeeper
from sublet_agent.cgroups.outsiders import Outsiders
from sublet_agent.cgroups.registry import GroupBook
from sublet_agent.cgroups.trees import CGROUPS, find_trees, tree_below
from sublet_agent.processes.process_table import LinuxProcessTable

GROUPS_NAME: Final = "control-groups.json"
ACCOUNTS_NAME: Final = "accounts.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """The settings that say what the agent does with control groups."""

    freeze: bool = True
    """Whether the other slices on a GPU are frozen while one comes back."""
    mounted_at: Path | None = None
    """Where the machine's control groups are mounted; ``None``: where the kernel says."""
    pods_below: str = "/"
    """The path of the group that the kubelet has as its root."""
    driver_calls: Sequence[str] = NVIDIAS
    """What the kernel's stack of a thread names that is in a call of the cards' driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeGroups:
    """The control groups of this node's slices: what knows, fills and freezes them."""

    file: Path
    book: GroupBook
    keeper: GroupKeeper
    freezer: Freezer
    outsiders: Outsiders
    mounted_at: Path
    switched_off: bool = False

    @property
    def unfrozen(self) -> UnfrozenSlices | None:
        """Why slices are not, or not all, frozen while another comes back; ``None``: they are."""
        return UnfrozenSlices(NotFrozen.SWITCHED_OFF) if self.switched_off else self.keeper.unfrozen

    def unfrozen_on(self, gpu_id: GpuId) -> NotFrozen | None:
        """Why not everybody stands still while a slice comes back to this GPU; ``None``: all do."""
        if self.unfrozen is not None:
            return self.unfrozen.why
        return NotFrozen.OUTSIDERS_AT_LARGE if self.outsiders.are_at_large(gpu_id) else None

    def serve(self, slices_now: Callable[[], Sequence[SliceAssignment]]) -> None:
        """Bring groups and slices in line; what goes wrong is logged, and tried again next time."""
        try:
            self.outsiders.let_go_left()
            self.keeper.serve(slices_now)
        except Exception:
            log.exception("the slices' control groups could not all be looked after")

    def thaw_left(self) -> list[str]:
        """Thaw whatever an agent before this one left frozen, with its records or without them.

        For when nothing that it began is under way in the driver any more. Return which slices
        run again, and which other groups.
        """
        thawed = [f"slice {slice_id}" for slice_id in self.book.thaw_left()]
        return [*thawed, *self.outsiders.let_go_lost(self.keeper.trees, self.keeper.name)]

    def limits_of(self, pid: int) -> tuple[Path, str | None]:
        """Return where this machine's groups are, and the full path of a process's pod, if any."""
        verdict = self.book.slice_at(pid)
        group = (
            None if verdict is None or verdict.slice_id is None else self.book.of(verdict.slice_id)
        )
        return self.mounted_at, None if group is None or group.is_own else group.place

    def tidy(
        self,
        processes: Iterable[tuple[int, SliceId]],
        slices_now: Callable[[], Sequence[SliceAssignment]],
    ) -> None:
        """Take in who was found outside of the groups, and remove what is empty."""
        self.keeper.gather(processes)
        self.serve(slices_now)


def node_groups(
    settings: GroupSettings, node: str, state_folder: Path, table: LinuxProcessTable
) -> NodeGroups:
    """Return the groups that this machine lets the agent have; what it does not is logged."""
    file = state_folder / GROUPS_NAME
    accounts = AccountsFile(state_folder / ACCOUNTS_NAME, table.boot_id)
    book = GroupBook(file, pods_below=settings.pods_below, accounts=accounts)
    mounted_at = settings.mounted_at
    trees = find_trees() if mounted_at is None else tree_below(mounted_at)
    keeper = GroupKeeper(book, trees, table, node, mark=str(file.resolve()))
    calls = DriverCalls(settings.driver_calls)
    outsiders = Outsiders(book, table, file, keeper.place_for_outsiders, calls)
    groups = NodeGroups(
        file=file,
        book=book,
        keeper=keeper,
        freezer=SliceFreezer(book, outsiders, calls) if settings.freeze else NoFreezer(),
        outsiders=outsiders,
        mounted_at=mounted_at or CGROUPS,
        switched_off=not settings.freeze,
    )
    unfrozen = groups.unfrozen
    if unfrozen is not None:
        log.warning(
            "slices cannot be frozen while another comes back, so whoever begins to use a GPU "
            "then is paused only when it is seen: %s%s",
            not_frozen_clause(unfrozen.why),
            f" ({unfrozen.detail})" if unfrozen.detail else "",
        )
    return groups
