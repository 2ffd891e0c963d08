"""``sublet-agent --check``: all that makes this machine's cards fit to be lent, as a table."""

import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.fitness import Consequence, Unfit, UnfitReason, is_closed

from sublet_agent.cgroups.attribution import SLICE_VARIABLE
from sublet_agent.devices.interface import Device, DeviceError
from sublet_agent.fitness.canary import SIZE_MIB
from sublet_agent.fitness.setup_checks import Check, check_card
from sublet_agent.fitness.swap import swap_areas, swap_warning
from sublet_agent.fitness.trial import Trial, TrialLimits, try_card_in_time
from sublet_agent.moves.host_memory import HostMemory, machine_available_mib, room_in_limits_mib
from sublet_agent.moves.pausing import PausedProcesses
from sublet_agent.moves.plan import MoveSettings, MoveTools
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.state_files.journal import Journal

_MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class CheckedCard:
    """A card, and all that was looked at."""

    index: int
    name: str
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> tuple[UnfitReason, ...]:
        """Why the card is not fit to be lent; none: it is."""
        return tuple(check.reason for check in self.checks if check.reason is not None)

    @property
    def verdict(self) -> list[str]:
        """What all of it comes to: a line, and one more for each reason."""
        card = f"GPU {self.index} ({self.name})"
        if not self.reasons:
            return [f"{card} is fit to be lent."]
        if any(reason.consequence is Consequence.LEFT_OUT for reason in self.reasons):
            follows = "is left out"
        elif is_closed(self.reasons):
            follows = "would be closed"
        else:
            follows = "would be pause-only"
        return [f"{card} {follows}:", *(f"  - {reason.clause}." for reason in self.reasons)]


@dataclass(frozen=True, slots=True)
class CheckedNode:
    """All cards of this machine, checked."""

    cards: tuple[CheckedCard, ...]
    simulated: bool
    swaps: tuple[str, ...] = ()
    """Where this machine's memory may be written to."""

    @property
    def fit(self) -> bool:
        """Whether there are cards, and all are fit to be lent."""
        return bool(self.cards) and not any(card.reasons for card in self.cards)

    @property
    def text(self) -> str:
        """The checks as a table, and what they come to."""
        rows = [("GPU", "CHECK", "FOUND", "")]
        rows += [
            (str(card.index), check.what, check.found, check.word)
            for card in self.cards
            for check in card.checks
        ]
        lines = [*_aligned(rows), "", *(line for card in self.cards for line in card.verdict)]
        if not self.cards:
            lines.append("There is no GPU here.")
        if self.simulated:
            lines.append("These GPUs are SIMULATED.")
        if self.swaps:
            lines.append(swap_warning(self.swaps))
        if os.geteuid() != 0:
            lines.append(
                "Not root: an agent of this account can move this account's processes only."
            )
        return "\n".join(lines)


def check_node(device: Device, limits: TrialLimits | None) -> CheckedNode:
    """Check all cards, and try each that nobody uses; without ``limits`` none is tried."""
    with (
        tempfile.TemporaryDirectory(prefix="sublet-check-") as folder,
        ThreadPoolExecutor(4) as calls,
    ):
        tools = _tools(device, Path(folder), calls)
        found = [
            CheckedCard(gpu.index, f"{gpu.gpu_id}, {gpu.type}", _checks(tools, gpu.gpu_id, limits))
            for gpu in device.gpus()
        ]
        tools.journal.close()
    found += [
        CheckedCard(each.index, each.gpu_id, (Check("use", "none", each.reason),))
        for each in device.left_out()
    ]
    return CheckedNode(
        tuple(sorted(found, key=lambda card: card.index)),
        device.simulated,
        swap_areas(),
    )


def _checks(tools: MoveTools, gpu_id: GpuId, limits: TrialLimits | None) -> tuple[Check, ...]:
    users = _users_of(tools, gpu_id)
    checks = (*check_card(tools.device, gpu_id), _others(users), *_slices(users))
    what = "moved out and back"
    if limits is None:
        return (*checks, Check(what, "not tried: switched off", was_made=False))
    if any(check.reason is not None for check in checks):
        # As the agent does: what is known not to be fit is not tried.
        return (*checks, Check(what, "not tried", was_made=False))
    if users:
        return (*checks, Check(what, "not tried beside slices", was_made=False))
    began = time.monotonic()
    failure = try_card_in_time(Trial(tools, gpu_id, limits))
    took_s = time.monotonic() - began
    if failure is not None:
        return (*checks, Check(what, "failed", failure))
    return (*checks, Check(what, f"{SIZE_MIB} MiB, unchanged, in {took_s:.1f} s"))


@dataclass(frozen=True, slots=True)
class _User:
    """A process on a card."""

    pid: int
    slice_id: str | None
    """The slice that its environment names: what a tenant may claim is enough for not being told to
    be ended."""

    @property
    def named(self) -> str:
        try:
            return f"{self.pid} {Path(f'/proc/{self.pid}/comm').read_text().strip()}"
        except OSError:
            return str(self.pid)


def _users_of(tools: MoveTools, gpu_id: GpuId) -> tuple[_User, ...] | None:
    """Return who is on a card; ``None`` where it cannot tell, which is a check of its own."""
    try:
        pids = [process.pid for process in tools.device.processes(gpu_id)]
    except DeviceError:
        return None
    return tuple(_User(pid, tools.table.environment(pid, SLICE_VARIABLE)) for pid in pids)


def _others(users: Sequence[_User] | None) -> Check:
    what = "others on it"
    if users is None:
        return Check(what, "not told", was_made=False)
    others = _listed([user.named for user in users if user.slice_id is None])
    return (
        Check(what, others, UnfitReason(Unfit.OCCUPIED, others)) if others else Check(what, "none")
    )


def _slices(users: Sequence[_User] | None) -> tuple[Check, ...]:
    named = [f"{u.named} ({u.slice_id})" for u in users or () if u.slice_id is not None]
    return (Check("slices on it", _listed(named)),) if named else ()


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _tools(device: Device, folder: Path, calls: ThreadPoolExecutor) -> MoveTools:
    table = LinuxProcessTable()
    journal = Journal(folder / "journal.jsonl")
    return MoveTools(
        device=device,
        journal=journal,
        paused_processes=PausedProcesses(device, journal, table, calls),
        table=table,
        host=HostMemory(machine_available_mib(0) or 0, lambda: None),
        # Whoever else begins to use the card is nobody's that may be paused.
        whose=lambda _pid, _gpu_id: None,
        own_limit_mib=lambda pid: None if device.simulated else room_in_limits_mib(pid),
        monotonic=time.monotonic,
        settings=MoveSettings(),
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
